package shop

var shelves = []string{
	"Bücher", "Küche & Haushalt", "Électronique", "Jardín", "Spielzeug", "Vêtements", "Música", "Sport",
}

var parts = []string{"Neu", "Klassiker", "Petits prix", "Für Kinder", "Ñandú & Co.", "Vintage"}

var tagNames = []string{
	"new", "sale", "vegan", "handmade", "fair trade", "gift", "summer", "winter", "été", "größe xl", "limited", "refurbished",
	"kids", "outdoor", "✨ shiny", "bestseller", "regional", "ångström", "wood", "recycled", "日本", "last chance", "heavy", "fragile",
}

var adjectives = []string{
	"Red", "Grüner", "Petit", "Große", "Classic", "Añejo", "Silent", "Überraschender", "Tiny", "Robust", "Élégant", "Old", "Smart", "Plain",
}

var things = []string{
	"Teapot", "Fußball", "Crêpière", "Lampe", "Notebook", "Garden chair", "Kaffeemühle", "Poncho", "Ukulele", "Kite", "Bücherregal",
	"Chess set", "Hängematte", "Piñata", "Rucksack", "Wok", "Ice skates", "Tischtennisschläger",
}

var sentences = []string{
	"Made to last.", "Schön verarbeitet und leicht zu pflegen.", "Livré avec un mode d’emploi.", "Now with 20 % less noise 🎧.",
	"It's the one you \"always\" wanted.", "Größe: 30 × 20 cm.", "Ideal for rainy days ☔️\nand for sunny ones ☀️.", "Hecho a mano en Málaga.",
	"Path on the label: C:\\shop\\label.", "手作りです。", "No tricks, no <script>, just quality.",
}

var firstNames = []string{
	"Zoë", "José", "Łukasz", "Øyvind", "Jürgen", "François", "Hạnh", "Olga", "Anna", "Bob", "Cle\u0301mence", "Çağla", "Dvořák", "Eve", "Ömer", "Siân",
	"太郎", "Ольга", "Νίκος", "Ana María",
}

var lastNames = []string{
	"Müller", "O'Neill", "García-Ñúñez", "Šimůnek", "Åkesson", "Brown", "D'Arcy", "Nguyễn", "Kowalczyk", "Sørensen", "山田", "Иванова", "Papadópoulos",
	"van der Berg", "Lindström", "Fischer 🐟",
}

var cities = []struct{ city, country, code string }{
	{"Köln", "DE", "50667"},
	{"Zürich", "CH", "8001"},
	{"Málaga", "ES", "29001"},
	{"Łódź", "PL", "90-001"},
	{"Besançon", "FR", "25000"},
	{"Reykjavík", "IS", "101"},
	{"São Paulo", "BR", "01000-000"},
	{"Dún Laoghaire", "IE", ""},
	{"東京", "JP", "100-0001"},
	{"Tromsø", "NO", "9008"},
}

var streets = []string{"Hauptstraße", "Rue de l'Église", "Calle Mayor", "Main Street", "Østre gate", "Náměstí Míru"}

var notes = []string{
	"Bitte an der Tür klingeln.", "Please ring twice 🔔", "Cadeau, ne pas mettre la facture", "Leave it with the neighbour; she is always in.", "",
}

var opinions = []string{"Très bien", "Lovely 😍", "Nicht schlecht", "Meh.", "Broke after a day 💔", "¡Excelente!", "As described"}
