// Package client speaks to an Octomesh server over REST and server-sent events:
// typed calls go out, records and typed errors come back, and Watch follows the
// changes of entities with resume. It uses the standard library alone.
//
//	c, err := client.New("http://localhost:4488", client.WithAPIKey(key))
//	product, err := client.Create[Product](ctx, c, "Product", Product{Name: "Chair"})
//	page, err := client.FindAll[Product](ctx, c, "Product", client.Query{
//		Filter: client.Filter{"price": client.Filter{"$lt": 100}},
//		Sort:   []string{"-createdAt"},
//		Limit:  20,
//	})
//
// Every call takes a context first and is bounded by its deadline, or by the
// client's timeout where it has none. Reads, and writes (each of which carries
// an idempotency key), are repeated by themselves when a server cannot be
// reached or says that it is overloaded, on the next of several addresses, until
// the deadline.
package client
