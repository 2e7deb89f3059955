"""An online school: somebody was enrolled in a course or a bundle, finished a lesson, a module, a course.

The school tells of it: `mailcrm event emit course.completed --person E-MAIL --data '{"course": "python"}'`. A flow
names it: ``on = "course.completed"``, ``where = { course = "python" }``. A bundle goes by its name as the ``course``.

Nothing to configure.
"""

from mailcrm import EventKind, hookimpl

_FIELDS = {"course": str | None, "module": str | None, "lesson": str | None}
_COURSE = {**_FIELDS, "course": str}


@hookimpl
def register_events() -> list[EventKind]:
    return [
        EventKind("course.enrolled", _COURSE, "Somebody was enrolled in a course"),
        EventKind("course.completed", _COURSE, "Somebody finished a course"),
        EventKind("module.completed", {**_FIELDS, "module": str}, "Somebody finished a module of a course"),
        EventKind("lesson.completed", {**_FIELDS, "lesson": str}, "Somebody finished a lesson of a course"),
        EventKind("bundle.enrolled", _COURSE, "Somebody was enrolled in a bundle of courses"),
    ]
