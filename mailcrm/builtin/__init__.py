"""Our own triggers, conditions and actions: what a flow can do without any plugin."""
