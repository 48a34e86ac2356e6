// Package stores is the root of the module that holds the databases whose
// drivers are heavy: one folder each, linked by octomesh-all alone, so that
// neither the default program nor the users of pkg inherit them. Nothing flows
// through this package itself.
package stores
