"""The pool in which the descriptors of this package's messages live (contracts M5).

The default pool of a process takes a name once. A private one is never in the way of another
package that defines the same messages, whatever its version says about them.
"""

from __future__ import annotations

from google.protobuf.descriptor_pool import DescriptorPool

POOL = DescriptorPool()
