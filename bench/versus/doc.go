// Package versus measures the product against bench/floor: the same table, the
// same bodies, alternating in one sitting, judged by the median of paired
// ratios of the server's CPU per request. It has tests only.
package versus
