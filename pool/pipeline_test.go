package pool

import "os"

func soak() bool { return os.Getenv("HANDOFF_SOAK") != "" }
