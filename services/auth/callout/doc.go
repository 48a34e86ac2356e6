// Package callout lets native NATS clients in: the server asks here for every
// client that shows a credential instead of a role's nkey, and gets a user JWT
// that holds the client to the subjects its key may use, or a refusal. When
// rights end, the package has the server disconnect whoever had them.
package callout
