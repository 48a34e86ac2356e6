package shop

import (
	"fmt"
	"strconv"
)

var statuses = []string{"cart", "placed", "paid", "shipped", "delivered", "delivered", "cancelled"}

// buy draws an order's lines; the total follows from them.
func (g *generator) buy(o *sold) {
	for range 1 + g.below(4) {
		product := g.below(productCount)
		l := line{product: product, quantity: 1 + g.below(3), cents: g.price[product]}
		if g.chance(20) {
			l.discount = 5 * (1 + g.below(5)) // percent
		}
		o.total += l.quantity * l.cents * (100 - l.discount) / 100
		o.lines = append(o.lines, l)
	}
}

func (g *generator) orders() bool {
	for i := range orderCount {
		status := pick(&g.random, statuses)
		o := sold{
			id: id("order", i), placed: opening + int64(i)*day/2 + int64(g.below(day)),
			paid: status == "paid" || status == "shipped" || status == "delivered",
		}
		g.buy(&o)
		g.order = append(g.order, o)
		g.begin(o.id)
		g.text("number", fmt.Sprintf("%d-%05d", 2025+i*10/orderCount/6, i))
		g.text("status", status)
		g.date("placedAt", o.placed)
		g.money("total", o.total)
		g.maybe(60, "note", pick(&g.random, notes))
		g.text("customer", id("customer", g.below(customerCount)))
		g.times(o.placed)
		if !g.end("Order") {
			return false
		}
	}
	return true
}

func (g *generator) lines() bool {
	n := 0
	for _, o := range g.order {
		for _, l := range o.lines {
			g.begin(id("line", n))
			n++
			g.number("quantity", l.quantity)
			g.money("unitPrice", l.cents)
			if l.discount == 0 {
				g.raw("discount", "null")
			} else {
				g.raw("discount", strconv.FormatFloat(float64(l.discount)/100, 'f', -1, 64))
			}
			g.text("order", o.id)
			g.text("product", id("product", l.product))
			if !g.end("OrderLine") {
				return false
			}
		}
	}
	return true
}

// byCard tells which payments are made by card: two of three.
func byCard(i int) bool { return i%3 != 0 }

func (g *generator) cards() bool {
	for i, o := range g.order {
		if !o.paid || !byCard(i) {
			continue
		}
		g.begin(id("card", i))
		g.money("amount", o.total)
		g.date("paidAt", o.placed+int64(g.below(day)))
		g.text("brand", pick(&g.random, []string{"visa", "mastercard", "girocard"}))
		g.text("lastFour", fmt.Sprintf("%04d", g.below(10000)))
		g.text("order", o.id)
		if !g.end("CardPayment") {
			return false
		}
	}
	return true
}

func (g *generator) transfers() bool {
	for i, o := range g.order {
		if !o.paid || byCard(i) {
			continue
		}
		g.begin(id("transfer", i))
		g.money("amount", o.total)
		if g.chance(20) {
			g.raw("paidAt", "null")
		} else {
			g.date("paidAt", o.placed+3*day)
		}
		g.text("reference", "RF"+strconv.Itoa(10+g.below(90))+" "+o.id)
		g.text("order", o.id)
		if !g.end("TransferPayment") {
			return false
		}
	}
	return true
}

func (g *generator) reviews() bool {
	for i := range reviewCount {
		g.begin(id("review", i))
		g.number("rating", 1+g.below(5))
		g.maybe(15, "title", pick(&g.random, opinions))
		g.maybe(30, "body", pick(&g.random, sentences))
		if g.chance(80) {
			g.raw("photos", "null")
		} else {
			g.raw("photos", fmt.Sprintf(`[{"url":"https://img.example/%d.jpg","caption":null},{"url":"https://img.example/%db.jpg","caption":"schön 📷"}]`, i, i))
		}
		// Every pair of customer and product is drawn at most once: the steps
		// have no divisor in common with the counts.
		g.text("product", id("product", i*7%productCount))
		if g.chance(10) {
			g.raw("customer", "null")
		} else {
			g.text("customer", id("customer", (i*11+i/customerCount)%customerCount))
		}
		g.times(opening + int64(i)*day/2)
		if !g.end("Review") {
			return false
		}
	}
	return true
}
