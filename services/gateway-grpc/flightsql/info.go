package flightsql

import (
	"maps"
	"runtime/debug"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/flight/flightsql"

	"github.com/octomesh/octomesh/services/gateway-grpc/sql"
)

// bits is a set of the ordinals of an enumeration.
func bits(of ...int) (mask int32) {
	for _, n := range of {
		mask |= 1 << n
	}
	return mask
}

// facts are what GetSqlInfo tells, by the numbers of FlightSql.proto's SqlInfo.
// What is false of a database that only reads stands there too: drivers ask for it.
var facts = map[flightsql.SqlInfo]any{
	flightsql.SqlInfoFlightSqlServerName:                        "Octomesh",
	flightsql.SqlInfoFlightSqlServerVersion:                     version("octomesh"),
	flightsql.SqlInfoFlightSqlServerArrowVersion:                arrow.PkgVersion,
	flightsql.SqlInfoFlightSqlServerReadOnly:                    true,
	flightsql.SqlInfoFlightSqlServerSql:                         true,
	flightsql.SqlInfoFlightSqlServerSubstrait:                   false,
	flightsql.SqlInfoFlightSqlServerTransaction:                 int32(0), // none
	flightsql.SqlInfoFlightSqlServerCancel:                      true,
	flightsql.SqlInfoFlightSqlServerBulkIngestion:               false,
	flightsql.SqlInfoFlightSqlServerIngestTransactionsSupported: false,
	flightsql.SqlInfoFlightSqlServerStatementTimeout:            int32(0), // none
	flightsql.SqlInfoFlightSqlServerTransactionTimeout:          int32(0),

	flightsql.SqlInfoDDLCatalog:                             false,
	flightsql.SqlInfoDDLSchema:                              false,
	flightsql.SqlInfoDDLTable:                               false,
	flightsql.SqlInfoIdentifierCase:                         int64(1), // insensitive
	flightsql.SqlInfoIdentifierQuoteChar:                    `"`,
	flightsql.SqlInfoQuotedIdentifierCase:                   int64(1),
	flightsql.SqlInfoAllTablesAreASelectable:                true,
	flightsql.SqlInfoNullOrdering:                           int64(1), // low
	flightsql.SqlInfoKeywords:                               []string{},
	flightsql.SqlInfoNumericFunctions:                       []string{},
	flightsql.SqlInfoStringFunctions:                        []string{},
	flightsql.SqlInfoSystemFunctions:                        []string{},
	flightsql.SqlInfoDateTimeFunctions:                      []string{"CURDATE", "CURRENT_DATE", "CURRENT_TIMESTAMP", "NOW"},
	flightsql.SqlInfoSearchStringEscape:                     `\`,
	flightsql.SqlInfoExtraNameChars:                         "",
	flightsql.SqlInfoSupportsColumnAliasing:                 true,
	flightsql.SqlInfoNullPlusNullIsNull:                     true,
	flightsql.SqlInfoSupportsConvert:                        map[int32][]int32{},
	flightsql.SqlInfoSupportsTableCorrelationNames:          true,
	flightsql.SqlInfoSupportsDifferentTableCorrelationNames: false,
	flightsql.SqlInfoSupportsExpressionsInOrderBy:           false,
	flightsql.SqlInfoSupportsOrderByUnrelated:               true,
	flightsql.SqlInfoSupportedGroupBy:                       bits(0, 1), // also fields beyond, and besides, the SELECT list
	flightsql.SqlInfoSupportsLikeEscapeClause:               true,
	flightsql.SqlInfoSupportsNonNullableColumns:             true,
	flightsql.SqlInfoSupportedGrammar:                       bits(0), // minimum
	flightsql.SqlInfoANSI92SupportedLevel:                   int32(0),
	flightsql.SqlInfoSupportsIntegrityEnhancementFacility:   false,
	flightsql.SqlInfoOuterJoinsSupportLevel:                 bits(1), // limited
	flightsql.SqlInfoSchemaTerm:                             "project",
	flightsql.SqlInfoProcedureTerm:                          "procedure",
	flightsql.SqlInfoCatalogTerm:                            "catalog",
	flightsql.SqlInfoCatalogAtStart:                         true,
	flightsql.SqlInfoSchemasSupportedActions:                int32(0),
	flightsql.SqlInfoCatalogsSupportedActions:               int32(0),
	flightsql.SqlInfoSupportedPositionedCommands:            int32(0),
	flightsql.SqlInfoSelectForUpdateSupported:               false,
	flightsql.SqlInfoStoredProceduresSupported:              false,
	flightsql.SqlInfoSupportedSubqueries:                    int32(0),
	flightsql.SqlInfoCorrelatedSubqueriesSupported:          false,
	flightsql.SqlInfoSupportedUnions:                        int32(0),

	flightsql.SqlInfoMaxBinaryLiteralLen:     int64(sql.MaxLength),
	flightsql.SqlInfoMaxCharLiteralLen:       int64(sql.MaxLength),
	flightsql.SqlInfoMaxColumnNameLen:        int64(64),
	flightsql.SqlInfoMaxColumnsInGroupBy:     int64(0), // no limit but that of a statement
	flightsql.SqlInfoMaxColumnsInIndex:       int64(0),
	flightsql.SqlInfoMaxColumnsInOrderBy:     int64(0),
	flightsql.SqlInfoMaxColumnsInSelect:      int64(sql.MaxColumns),
	flightsql.SqlInfoMaxColumnsInTable:       int64(0),
	flightsql.SqlInfoMaxConnections:          int64(0),
	flightsql.SqlInfoMaxCursorNameLen:        int64(0),
	flightsql.SqlInfoMaxIndexLen:             int64(0),
	flightsql.SqlInfoDBSchemaNameLen:         int64(64),
	flightsql.SqlInfoMaxProcedureNameLen:     int64(0),
	flightsql.SqlInfoMaxCatalogNameLen:       int64(64),
	flightsql.SqlInfoMaxRowSize:              int64(0),
	flightsql.SqlInfoMaxRowSizeIncludesBlobs: true,
	flightsql.SqlInfoMaxStatementLen:         int64(sql.MaxLength),
	flightsql.SqlInfoMaxStatements:           int64(0),
	flightsql.SqlInfoMaxTableNameLen:         int64(64),
	flightsql.SqlInfoMaxTablesInSelect:       int64(sql.MaxTables),
	flightsql.SqlInfoMaxUsernameLen:          int64(0),

	flightsql.SqlInfoDefaultTransactionIsolation:                         int64(0), // none
	flightsql.SqlInfoTransactionsSupported:                               false,
	flightsql.SqlInfoSupportedTransactionsIsolationlevels:                bits(0),
	flightsql.SqlInfoDataDefinitionCausesTransactionCommit:               false,
	flightsql.SqlInfoDataDefinitionsInTransactionsIgnored:                false,
	flightsql.SqlInfoSupportedResultSetTypes:                             bits(0, 1), // unspecified, forward only
	flightsql.SqlInfoSupportedConcurrenciesForResultSetUnspecified:       bits(0, 1), // unspecified, read only
	flightsql.SqlInfoSupportedConcurrenciesForResultSetForwardOnly:       bits(1),
	flightsql.SqlInfoSupportedConcurrenciesForResultSetScrollSensitive:   int32(0),
	flightsql.SqlInfoSupportedConcurrenciesForResultSetScrollInsensitive: int32(0),
	flightsql.SqlInfoBatchUpdatesSupported:                               false,
	flightsql.SqlInfoSavePointsSupported:                                 false,
	flightsql.SqlInfoNamedParametersSupported:                            false,
	flightsql.SqlInfoLocatorsUpdateCopy:                                  false,
	flightsql.SqlInfoStoredFunctionsUsingCallSyntaxSupported:             false,
}

// version is that of the program, else otherwise.
func version(otherwise string) string {
	if b, ok := debug.ReadBuildInfo(); ok && b.Main.Version != "" {
		return b.Main.Version
	}
	return otherwise
}

// information adds the facts that were asked for, without a list all of them. One
// that there is not is left out, as drivers of later versions need it.
func information(b *rows, asked []uint32) {
	if len(asked) == 0 {
		for id := range maps.Keys(facts) {
			asked = append(asked, uint32(id))
		}
		slices.Sort(asked)
	}
	values := b.Field(1).(*array.DenseUnionBuilder)
	for _, id := range asked[:min(len(asked), 1000)] {
		fact, ok := facts[flightsql.SqlInfo(id)]
		if !ok {
			continue
		}
		b.Field(0).(*array.Uint32Builder).Append(id)
		// The members of the union as FlightSql.proto numbers them.
		switch v := fact.(type) {
		case string:
			values.Append(0)
			values.Child(0).(*array.StringBuilder).Append(v)
		case bool:
			values.Append(1)
			values.Child(1).(*array.BooleanBuilder).Append(v)
		case int64:
			values.Append(2)
			values.Child(2).(*array.Int64Builder).Append(v)
		case int32:
			values.Append(3)
			values.Child(3).(*array.Int32Builder).Append(v)
		case []string:
			values.Append(4)
			list := values.Child(4).(*array.ListBuilder)
			list.Append(true)
			list.ValueBuilder().(*array.StringBuilder).AppendValues(v, nil)
		default: // the one map, which is empty
			values.Append(5)
			values.Child(5).(*array.MapBuilder).Append(true)
		}
	}
}
