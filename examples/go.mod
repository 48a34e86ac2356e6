module github.com/octomesh/octomesh/examples

go 1.26.0

require github.com/octomesh/octomesh/pkg v0.0.0

require github.com/valyala/fastjson v1.6.10

replace github.com/octomesh/octomesh/pkg => ../pkg
