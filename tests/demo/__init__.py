"""The demo: three reps' mailboxes on a private server, a story of mails, and what becomes of each."""
