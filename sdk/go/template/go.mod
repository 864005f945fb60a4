module example.org/{{name}}

go 1.24

require github.com/ocellus/ocellus/sdk/go v1.0.0

replace github.com/ocellus/ocellus/sdk/go => ./ocellus
