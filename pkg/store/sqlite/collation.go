package sqlite

import "strings"

// collations reads which columns of a CREATE TABLE statement name a collation
// other than BINARY, by the column's name in lower case: no pragma tells it.
func collations(sql string) map[string]string {
	open := strings.IndexByte(sql, '(')
	if open < 0 {
		return nil
	}
	out := make(map[string]string)
	column, words := "", 0
	want := false
	depth := 0
	for rest := sql[open+1:]; rest != "" && depth >= 0; {
		var word string
		word, rest = nextWord(rest)
		switch {
		case word == "(":
			depth++
		case word == ")":
			depth--
		case depth > 0 || word == "":
		case word == ",":
			column, words, want = "", 0, false
		case words == 0:
			column, words = strings.ToLower(bare(word)), 1
		case want:
			if name := strings.ToUpper(bare(word)); name != "BINARY" {
				out[column] = name
			}
			want = false
		default:
			want = strings.EqualFold(word, "COLLATE")
		}
	}
	return out
}

// nextWord takes a word, a quoted text with its quotes, or a sign; comments and
// spaces are passed over. It returns "" only at the end.
func nextWord(s string) (word, rest string) {
	for {
		s = strings.TrimLeft(s, " \t\r\n\f")
		switch {
		case strings.HasPrefix(s, "--"):
			_, s, _ = strings.Cut(s, "\n")
			continue
		case strings.HasPrefix(s, "/*"):
			_, s, _ = strings.Cut(s, "*/")
			continue
		}
		break
	}
	if s == "" {
		return "", ""
	}
	last := s[0]
	switch s[0] {
	case '[':
		last = ']'
	case '"', '`', '\'':
	default:
		n := 0
		for n < len(s) && !strings.ContainsRune(" \t\r\n\f,()\"`'[;", rune(s[n])) {
			n++
		}
		n = max(n, 1)
		return s[:n], s[n:]
	}
	for i := 1; i < len(s); i++ {
		if s[i] != last {
			continue
		}
		if i+1 < len(s) && s[i+1] == last && last != ']' {
			i++
			continue
		}
		return s[:i+1], s[i+1:]
	}
	return s, ""
}

// bare is a word without its quotes.
func bare(word string) string {
	n := len(word) - 1
	if n < 1 || !strings.ContainsRune("\"`'[", rune(word[0])) {
		return word
	}
	quote := word[n:]
	return strings.ReplaceAll(word[1:n], quote+quote, quote)
}
