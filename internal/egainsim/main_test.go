package egainsim_test

import (
	"os"
	"testing"
	"time"

	"github.com/onsi/gomega"
)

func TestMain(m *testing.M) {
	gomega.SetDefaultEventuallyTimeout(time.Minute) // a second, the default, is too short on a machine that is busy
	os.Exit(m.Run())
}
