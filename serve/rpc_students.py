"""gRPC: measured students of a teacher. A mixin, as `rpc.Calls` is. Knows nothing of Ray."""

from __future__ import annotations

from serve import dass_pb2 as pb
from serve import requests
from serve.proto import from_proto, to_proto
from serve.requests import StudentList
from serve.rpc_door import Context, Guarded


class StudentCalls(Guarded):
    """One method per call."""

    async def ListStudents(self, request: pb.TeacherName, grpc_context: Context) -> pb.StudentList:
        """List the measured students of a teacher."""
        with self._door(request, grpc_context, reads=True):
            name, ranker = from_proto(request, requests.TeacherName).name, self.admission.ranker
            found = await self.admission.in_thread(lambda: ranker.students(name))
            return to_proto(StudentList.of(found), pb.StudentList)

    async def AddStudents(
        self, request: pb.AddStudentsRequest, grpc_context: Context
    ) -> pb.StudentList:
        """Add measured students of a teacher."""
        with self._door(request, grpc_context):
            new, ranker = from_proto(request, requests.AddStudentsRequest), self.admission.ranker
            students = StudentList(students=new.students).plain()
            found = await self.admission.in_thread(
                lambda: ranker.add_students(new.teacher, students)
            )
            return to_proto(StudentList.of(found), pb.StudentList)

    async def DeleteStudent(self, request: pb.StudentId, grpc_context: Context) -> pb.StudentId:
        """Forget a measured student of a teacher."""
        with self._door(request, grpc_context):
            one, ranker = from_proto(request, requests.StudentId), self.admission.ranker
            await self.admission.in_thread(
                lambda: ranker.remove_student(one.teacher, one.architecture)
            )
            return pb.StudentId(teacher=one.teacher, architecture=one.architecture)
