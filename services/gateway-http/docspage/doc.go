// Package docspage serves /docs: a page that shows a first call in each protocol
// that is turned on, and the reference of /openapi.json with forms to try it. It
// is embedded, asks nothing of any other server, and holds no secret: a key that
// is typed into it stays in the tab's session storage.
package docspage
