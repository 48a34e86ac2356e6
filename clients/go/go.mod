module github.com/octomesh/octomesh/clients/go

go 1.26.0
