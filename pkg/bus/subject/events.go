package subject

// AllEvents is what the stream of events captures: five tokens, which no client
// outside MESH can publish.
const AllEvents = events + "*.*.*"

// EventsToLives is the pair of patterns by which the stream hands what it has
// stored on to the live subjects.
const (
	EventsToLives = events + ">"
	LivesOfEvents = lives + ">"
)
