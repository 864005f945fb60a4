module example.org/golden

go 1.24

require github.com/ocellus/ocellus/sdk/go v1.0.0

replace github.com/ocellus/ocellus/sdk/go => ../../../sdk/go
