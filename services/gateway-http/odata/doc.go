// Package odata serves entities by OData 4.01: a resource path, query options
// and a body come in, calls of the mesh go out, and their replies come back in
// OData's JSON form. odata/parse reads the options, odata/translate makes filters
// of them, odata/metadata describes the catalog.
//
// One HTTP request holds one OData request, or a batch of them; each is a request
// of this package with its own response, so that a part of a batch goes the same
// way as a request of its own.
package odata
