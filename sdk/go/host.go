package ocellus

// Host is what the sensor offers: its own functions inside a component, a stand-in in tests.
type hostFunctions interface {
	resolve(name string) (uint32, error)
	text(field uint32) (string, bool)
	number(field uint32) (uint64, bool)
	texts(field uint32) []string
	many(fields []uint32) []*string
	makeSet(texts []string) (uint32, error)
	test(field uint32, how Match, set uint32) bool
	candidates() []uint32
	log(level Level, message string)
	ancestors(id string) []string
	textOf(id string, field uint32) (string, bool)
	numberOf(id string, field uint32) (uint64, bool)
	textsOf(id string, field uint32) []string
	get(key string) ([]byte, bool)
	set(key string, value []byte, ttlMS uint64) error
	remove(key string)
	add(key string, amount, ttlMS uint64) (uint64, error)
}
