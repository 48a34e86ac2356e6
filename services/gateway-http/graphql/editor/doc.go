// Package editor is GraphiQL for browsers: the page, our few lines that give it
// a key and a way to follow subscriptions, and its files from here, so that a
// browser asks nobody else. What is asked goes through the GraphQL door as any
// other request does.
//
// In assets, graphiql 3.9.0, react 18.3.1 and react-dom 18.3.1 are the files of
// these names in the npm packages, packed by gzip -9n; all are under the MIT
// license (assets/LICENSE).
package editor
