package storetest

// library is the catalog of the conformance suite: every kind of field,
// relation and rule is in it once.
const library = `[
{"name":"Author","collection":"authors","timestamps":true,
 "fields":{
  "name":{"type":"string","required":true,"trim":true,"maxLength":20},
  "email":{"type":"string","unique":true,"lowercase":true,"pattern":"^[^@]+@[^@]+$"},
  "age":{"type":"integer","min":0,"max":150},
  "rank":{"type":"enum","enum":["gold","silver"],"default":"silver"},
  "pin":{"type":"string","hidden":true},
  "tags":{"type":"array","arrayOf":"string"}},
 "relations":{
  "agent":{"type":"many-to-one","target":"Author"},
  "books":{"type":"one-to-many","target":"Book","mappedBy":"author"}}},
{"name":"Book","collection":"books",
 "fields":{
  "title":{"type":"string","required":true},
  "pages":{"type":"integer"},
  "price":{"type":"number"}},
 "relations":{
  "author":{"type":"many-to-one","target":"Author","onDelete":"cascade"},
  "editor":{"type":"many-to-one","target":"Author","onDelete":"set-null"},
  "publisher":{"type":"many-to-one","target":"Publisher","onDelete":"restrict"},
  "shelf":{"type":"many-to-one","target":"Shelf","onDelete":"no-action"},
  "genres":{"type":"many-to-many","target":"Genre","through":"book_genres"},
  "reviews":{"type":"one-to-many","target":"Review","mappedBy":"book"}},
 "indexes":[{"fields":{"pages":"asc"}}]},
{"name":"Review","collection":"reviews","fields":{"stars":"integer"},
 "relations":{"book":{"type":"many-to-one","target":"Book","onDelete":"cascade","required":true}}},
{"name":"Publisher","collection":"publishers","fields":{"name":"string","city":"string"}},
{"name":"Shelf","collection":"shelves","fields":{"place":"string"}},
{"name":"Genre","collection":"genres","fields":{"name":{"type":"string"}},
 "relations":{"books":{"type":"many-to-many","target":"Book","mappedBy":"genres"}}},
{"name":"Loan","collection":"loans","fields":{"note":"string"},
 "relations":{
  "book":{"type":"many-to-one","target":"Book","fetch":"eager","select":["title"]},
  "readers":{"type":"many-to-many","target":"Author","onDelete":"restrict"}}},
{"name":"Note","collection":"notes","softDelete":true,"timestamps":true,
 "fields":{"text":"string","code":{"type":"string","unique":true}},
 "relations":{"parent":{"type":"many-to-one","target":"Note","onDelete":"cascade"},
  "on":{"type":"many-to-one","target":"Shelf","onDelete":"set-null"}}},
{"name":"Cat","collection":"animals","discriminator":"kind","discriminatorValue":"cat","fields":{"name":"string","lives":{"type":"integer","default":9}}},
{"name":"Dog","collection":"animals","discriminator":"kind","discriminatorValue":"dog","fields":{"name":"string"}},
{"name":"Kind","collection":"kinds","fields":{
  "s":"string","t":"text","n":"number","b":"boolean","d":"date","j":"json","a":"array",
  "i":"integer","c":"decimal","f":"float","o":"objectId","e":{"type":"enum","enum":["x","y"]},"y":"binary",
  "lines":{"type":"array","arrayOf":{"kind":"embedded","fields":{"sku":{"type":"string","required":true},"n":{"type":"integer","default":1,"min":1}}}},
  "made":{"type":"date","default":"now"}}}
]`
