module github.com/ocellus/ocellus/sdk/go

go 1.24
