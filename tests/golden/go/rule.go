// The golden component in Go; see ../README.md.
package main

import (
	"encoding/binary"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ocellus/ocellus/sdk/go"
	"github.com/ocellus/ocellus/sdk/go/field"
)

var (
	shells = ocellus.NewSet("sh", "bash", "dash")
	dash   = ocellus.NewSet("-")
	accent = ocellus.NewSet("é", "日")
	script = ocellus.NewSet(".sh", ".py")
)

// fnv1a is FNV-1a of texts, each with a zero byte after it.
func fnv1a(texts ...string) uint32 {
	value := uint32(0x811c9dc5)
	for _, text := range texts {
		for i := range len(text) {
			value = (value ^ uint32(text[i])) * 0x01000193
		}
		value *= 0x01000193
	}
	return value
}

func hex(number uint32) string {
	digits := strconv.FormatUint(uint64(number), 16)
	return strings.Repeat("0", 8-len(digits)) + digits
}

func or(text *string, otherwise string) string {
	if text == nil {
		return otherwise
	}
	return *text
}

var texts = ocellus.Rule{
	ID:   "golden-text",
	Name: "Golden texts",
	Interests: []ocellus.Interest{
		ocellus.Exec(
			ocellus.OneOf(field.ProcessName, "sh", "bash", "make", "名前"),
			ocellus.StartsWith(field.ProcessExecutable, "/usr/", "/opt/"),
		),
		{Terms: []ocellus.Term{
			ocellus.EndsWith(field.ProcessExecutable, ".sh", ".py"),
			ocellus.Contains(field.ProcessArgs, "-", "é"),
		}},
	},
	OnEvent: func(event ocellus.Event) *ocellus.Verdict {
		all := event.Many(field.ProcessName, field.ProcessExecutable, field.RuleID)
		var tags []string
		if event.Test(field.ProcessName, ocellus.IsOneOf, shells) {
			tags = append(tags, "shell")
		}
		if event.Test(field.ProcessArgs, ocellus.HasPrefix, dash) {
			tags = append(tags, "option")
		}
		if event.Test(field.ProcessArgs, ocellus.DoesContain, accent) {
			tags = append(tags, "accent")
		}
		if event.Test(field.ProcessExecutable, ocellus.HasSuffix, script) {
			sum := fnv1a(or(all[0], ""), or(all[1], ""), or(all[2], "none"))
			tags = append(tags, "script "+hex(sum))
		}
		if len(tags) == 0 {
			return nil
		}
		return ocellus.Tag(tags...)
	},
}

var state = ocellus.Rule{
	ID:   "golden-state",
	Name: "Golden state",
	OnEvent: func(event ocellus.Event) *ocellus.Verdict {
		entity, known := event.Text(field.ProcessEntityID)
		if !known {
			return nil
		}
		name := event.TextOr(field.ProcessName, "")
		parent := event.TextOr(field.ProcessParentEntityID, "")
		kinds := event.Texts(field.OcellusKinds)
		args := event.Texts(field.ProcessArgs)
		if slices.Contains(kinds, "process.exit") {
			ocellus.State.Remove("last/" + name)
		}
		count := ocellus.State.Add("count/"+parent, 1, 5*time.Second)
		total := fnv1a(append(args, name)...)
		before := "-"
		if last, ok := ocellus.State.Get("last/" + name); ok {
			before = hex(binary.LittleEndian.Uint32(last))
		}
		bytes := binary.LittleEndian.AppendUint32(nil, total)
		ocellus.State.Set("last/"+name, bytes, 2*time.Second)
		if count%4 != 0 && total%7 != 0 {
			return nil
		}
		above := len(ocellus.Processes.Ancestors(entity))
		executable, ok := ocellus.Processes.Text(parent, field.ProcessExecutable)
		if !ok {
			executable = "-"
		}
		pid, _ := ocellus.Processes.Number(parent, field.ProcessPID)
		parentArgs := len(ocellus.Processes.Texts(parent, field.ProcessArgs))
		message := strings.Join([]string{
			name, strconv.FormatUint(count, 10), hex(total), before, strconv.Itoa(above),
			executable, strconv.FormatUint(pid, 10), strconv.Itoa(parentArgs),
		}, " ")
		return ocellus.Alert(uint8(total%101), message, kinds...)
	},
}

var numbers = ocellus.Rule{
	ID:    "golden-number",
	Name:  "Golden numbers",
	Drops: true,
	Interests: []ocellus.Interest{{
		Kinds: []string{"process.exec", "process.exit"},
		Terms: []ocellus.Term{
			ocellus.Between(field.ProcessPID, 10, 40),
			ocellus.Has(field.ProcessParentEntityID),
		},
	}},
	OnEvent: func(event ocellus.Event) *ocellus.Verdict {
		pid, _ := event.Number(field.ProcessPID)
		code, ended := event.Number(field.ProcessExitCode)
		if pid%5 == 0 {
			interactive := "no"
			if event.Flag(field.ProcessInteractive) {
				interactive = "yes"
			}
			return ocellus.Tag("five", "pid "+strconv.FormatUint(pid, 10)+" "+interactive)
		}
		if ended && (pid+code)%3 == 0 {
			return ocellus.Drop()
		}
		return nil
	},
}

func init() { ocellus.Register(texts, state, numbers) }

func main() {}
