package main

import (
	"testing"

	"github.com/ocellus/ocellus/sdk/go/ocellustest"
)

func TestNetcatAlertsAndOthersPass(t *testing.T) {
	rule := ocellustest.New(t, netcat)
	alert := rule.ExpectAlert(ocellustest.Exec("/usr/bin/nc", "nc", "-l", "4444"))
	if alert.Message != "user started nc -l 4444" {
		t.Errorf("it says %q", alert.Message)
	}
	rule.ExpectPass(ocellustest.Exec("/usr/bin/ls", "ls"))
}
