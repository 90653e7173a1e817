"""A module that starts a thread while it is imported, as some libraries do."""

import threading
import time

threading.Thread(target=time.sleep, args=(3600,), daemon=True).start()
