// Package tools pins what developers run and the product does not need: the
// task runner, the linters and the formatter. It lies outside go.work so that
// none of it reaches a service's go.sum; `GOWORK=off go -C tools
// build -o ../bin/ tool` builds it into bin/.
package tools
