// Package openapi turns a project's Catalog into its OpenAPI 3.1 description:
// every route with its parameters, bodies and statuses. A description is made
// once for each catalog version and view, where a view is what the caller may
// do: nobody finds an entity in it that he may not read, nor a route that he may
// not use.
package openapi
