// Package ocellustest tests a rule natively, without a sensor:
//
//	func TestNetcatAlertsAndOthersPass(t *testing.T) {
//		rule := ocellustest.New(t, netcat)
//		alert := rule.ExpectAlert(ocellustest.Exec("/usr/bin/nc", "nc", "-l"))
//		if alert.Message != "user started nc -l" {
//			t.Error(alert.Message)
//		}
//		rule.ExpectPass(ocellustest.Exec("/usr/bin/ls", "ls"))
//	}
package ocellustest

import (
	"maps"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	ocellus "github.com/ocellus/ocellus/sdk/go"
	"github.com/ocellus/ocellus/sdk/go/field"
)

// Longest command name that the kernel keeps, in bytes.
const commBytes = 15

// Time of an event that is given none: 2026-01-01T00:00:00Z, ns since the epoch.
const firstEventNS uint64 = 1_767_225_600_000_000_000

// An Event has the fields that a test gives it, and no others. Its methods give changed copies.
type Event struct{ values map[int]any }

// Of is an event of these kinds.
func Of(kinds ...string) Event {
	return Event{map[int]any{
		int(field.OcellusKinds): kinds,
		int(field.Timestamp):    firstEventNS,
	}}
}

// Exec is an ordinary execution by "user", from a shell.
func Exec(executable string, args ...string) Event {
	return Of("process.fork", "process.exec").
		Text(field.ProcessExecutable, executable).
		Text(field.ProcessName, comm(executable)).
		Texts(field.ProcessArgs, args...).
		Number(field.ProcessPID, 4321).
		Text(field.ProcessCommandLine, strings.Join(args, " ")).
		Text(field.ProcessEntityID, "fake-process").
		User("user").
		Parent("/usr/bin/bash")
}

func comm(executable string) string {
	name := path.Base(executable)
	return name[:min(len(name), commBytes)]
}

func (e Event) with(f field.Field, value any) Event {
	values := maps.Clone(e.values)
	values[f.Index()] = value
	return Event{values}
}

// Text sets a field.
func (e Event) Text(f field.Text, text string) Event { return e.with(f, text) }

// Texts sets a field of several texts.
func (e Event) Texts(f field.Texts, texts ...string) Event { return e.with(f, texts) }

// Number sets a field.
func (e Event) Number(f field.Number, number uint64) Event { return e.with(f, number) }

// Time sets a field, in nanoseconds since the epoch.
func (e Event) Time(f field.Time, ns uint64) Event { return e.with(f, ns) }

// Flag sets a field.
func (e Event) Flag(f field.Flag, is bool) Event { return e.with(f, is) }

// Without lacks a field.
func (e Event) Without(f field.Field) Event {
	values := maps.Clone(e.values)
	delete(values, f.Index())
	return Event{values}
}

// Parent sets another parent.
func (e Event) Parent(executable string) Event {
	return e.Text(field.ProcessParentExecutable, executable).
		Text(field.ProcessParentName, comm(executable)).
		Text(field.ProcessParentEntityID, "fake-parent-"+executable)
}

// User sets another user; root has the id 0.
func (e Event) User(name string) Event {
	id := "1000"
	if name == "root" {
		id = "0"
	}
	return e.Text(field.UserName, name).Text(field.UserEffectiveName, name).
		Text(field.UserID, id).Text(field.UserEffectiveID, id)
}

// After happened later.
func (e Event) After(later time.Duration) Event {
	now := e.values[int(field.Timestamp)].(uint64)
	return e.Time(field.Timestamp, now+uint64(later.Nanoseconds()))
}

// A Tester judges events with one rule, as the sensor does: only those that its interests want.
type Tester struct {
	t    testing.TB
	rule ocellus.Rule
	host *ocellus.StandIn
}

// New begins without state, processes and log lines.
func New(t testing.TB, rule ocellus.Rule) *Tester {
	t.Helper()
	tester := &Tester{t, rule, ocellus.NewStandIn()}
	if rule.Configure != nil {
		if err := rule.Configure(""); err != nil {
			t.Fatal(err)
		}
	}
	return tester
}

// AddProcess lets the rule find a process, with the fields of an event about it.
func (r *Tester) AddProcess(entityID string, event Event) { r.host.Known[entityID] = event.values }

// Log gives the lines that the rule has logged.
func (r *Tester) Log() []string { return r.host.Lines }

// Judge gives what the rule says; nil also when its interests do not want the event.
func (r *Tester) Judge(event Event) *ocellus.Verdict {
	wants := func(interest ocellus.Interest) bool { return event.isWanted(interest) }
	if len(r.rule.Interests) > 0 && !slices.ContainsFunc(r.rule.Interests, wants) {
		return nil
	}
	r.host.Values = event.values
	defer func() { r.host.Values = nil }()
	return r.rule.OnEvent(ocellus.Event{})
}

// ExpectAlert gives the alert on this event, and ends the test when there is none.
func (r *Tester) ExpectAlert(event Event) *ocellus.Verdict {
	r.t.Helper()
	verdict := r.Judge(event)
	if verdict == nil || verdict.Kind != ocellus.IsAlert {
		r.t.Fatalf("expected an alert, got %+v", verdict)
	}
	return verdict
}

// ExpectPass ends the test when the event does not pass.
func (r *Tester) ExpectPass(event Event) {
	r.t.Helper()
	if verdict := r.Judge(event); verdict != nil {
		r.t.Fatalf("expected the event to pass, got %+v", verdict)
	}
}

func (e Event) isWanted(interest ocellus.Interest) bool {
	kinds, _ := e.values[int(field.OcellusKinds)].([]string)
	isKind := func(kind string) bool { return slices.Contains(kinds, kind) }
	if len(interest.Kinds) > 0 && !slices.ContainsFunc(interest.Kinds, isKind) {
		return false
	}
	fails := func(term ocellus.Term) bool { return !e.passes(term) }
	return !slices.ContainsFunc(interest.Terms, fails)
}

func (e Event) passes(term ocellus.Term) bool {
	value, has := e.values[term.Field.Index()]
	switch term.How {
	case ocellus.Present:
		return has
	case ocellus.Range:
		number, ok := value.(uint64)
		return ok && term.Least <= number && number <= term.Most
	}
	passes := func(text string) bool { return term.How.Passes(text, term.Texts) }
	switch value := value.(type) {
	case string:
		return passes(value)
	case []string:
		return slices.ContainsFunc(value, passes)
	}
	return false
}
