"""What a worker may still do once it has its orders: the only home of Landlock and seccomp.

Linux alone; elsewhere `offered` says that there is nothing. Must be called only in a process that
pixmill owns: what is given up here never comes back. Own system calls, since no kept library does
it: `landlockpy` and `py-landlock` are young and know no seccomp, `pyseccomp` needs a system
package, and the system calls are five.
"""

from __future__ import annotations

from pixmill.sandbox.confining import Offer, confine, offered
from pixmill.sandbox.grants import Grants, library_paths
from pixmill.sandbox.limits import limit_cpu, limit_file

__all__ = ["Grants", "Offer", "confine", "library_paths", "limit_cpu", "limit_file", "offered"]
