package telemetry

import (
	"testing"

	"go.uber.org/goleak"
)

// Nothing that telemetry starts may outlive its Shutdown.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
