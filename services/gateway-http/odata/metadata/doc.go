// Package metadata is a project's catalog as OData sees it: entity sets,
// properties and navigation properties with their names and Edm types, and the
// documents that describe them, CSDL in XML and JSON and the service document.
//
// A reference to another record is two things here, as the standard wants it:
// the navigation property has the relation's name, and the property with the
// other record's id has the suffix _id.
package metadata
