package pool

import (
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/handoff/pool/internal/fate"
)

func TestExitClassesAreThoseOfFate(t *testing.T) {
	for class, of := range map[ExitClass]fate.Class{
		ExitStatus: fate.Status, ExitFatal: fate.Fatal, ExitSignal: fate.Signal, ExitOOM: fate.OOM, ExitDeadline: fate.Deadline,
		ExitCancel: fate.Cancel, ExitStopped: fate.Stopped, ExitStart: fate.Start, ExitProtocol: fate.Protocol, ExitUnknown: fate.Unknown,
	} {
		require.Equal(t, class, ExitClass(of))
	}
}
