// Package seeded proves that the suites see: it plants one fault after another
// in a copy of the checkout and demands that the suites which answer for it
// turn red. A suite that stays green over a planted fault proves nothing.
package seeded
