#pragma once
#include <libpq-fe.h>

// The field codes of <postgres_ext.h> are character macros, which Swift does not import.
typedef enum {
  ARTSTORE_PQ_SQLSTATE = PG_DIAG_SQLSTATE,
  ARTSTORE_PQ_MESSAGE = PG_DIAG_MESSAGE_PRIMARY,
  ARTSTORE_PQ_CONSTRAINT = PG_DIAG_CONSTRAINT_NAME,
} artstore_pq_field;

static inline char *artstore_pq_error_field(const PGresult *result, artstore_pq_field field) {
  return PQresultErrorField(result, (int)field);
}
