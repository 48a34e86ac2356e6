// Package live is what the live protocols of every gateway share: the open
// connections with whom they belong to, so that a revocation ends them at once,
// subscriptions of the Feed, and when a busy stream may write.
package live
