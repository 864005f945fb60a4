// Package field has the fields of events, each a constant with the type of its values, so that a
// name that does not exist, or a text that is read as a number, does not compile.
package field

// A Text is a field that holds a text.
type Text uint16

// A Texts is a field that holds several texts.
type Texts uint16

// A Number is a field that holds a number.
type Number uint16

// A Time is a field that holds a time, in nanoseconds since the epoch.
type Time uint16

// A Flag is a field that holds yes or no.
type Flag uint16

// Count is how many fields there are.
const Count = len(names)

// Field is a field of any type.
type Field interface {
	// Name is the ECS name, for example process.executable.
	Name() string
	// Index is the place in the field table.
	Index() int
}

// Textual is a field that holds one or several texts.
type Textual interface {
	Text | Texts
	Field
}

// Numeric is a field that holds a number, a time or a flag.
type Numeric interface {
	Number | Time | Flag
	Field
}

func (f Text) Name() string   { return names[f] }
func (f Texts) Name() string  { return names[f] }
func (f Number) Name() string { return names[f] }
func (f Time) Name() string   { return names[f] }
func (f Flag) Name() string   { return names[f] }

func (f Text) Index() int   { return int(f) }
func (f Texts) Index() int  { return int(f) }
func (f Number) Index() int { return int(f) }
func (f Time) Index() int   { return int(f) }
func (f Flag) Index() int   { return int(f) }
