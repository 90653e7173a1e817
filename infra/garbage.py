"""Garbage in a process that lives for one run, or serves: looked for seldom, and not at its end.

What such a process imports are a million objects that stay. To search them again and again while
more are imported takes a sixth of the imports' time, and to search them once more before the
process ends two seconds, for memory that the kernel takes back anyway. Importing this module
settles both.
"""

import atexit
import gc

gc.set_threshold(50_000, 20, 20)
atexit.register(gc.freeze)
