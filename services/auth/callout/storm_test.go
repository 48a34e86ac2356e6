//go:build !race

package callout_test

const stormSize = 500
