/* Holdfast 0.1.0: what holdfast.h declares, without a preprocessor, for LuaJIT's ffi.cdef, PHP's FFI, cffi and the
 * like. Made by build.rs; holdfast.h explains everything. Of the constants these are larger than an int, and so not
 * here: HOLDFAST_NUL and HOLDFAST_NOWHERE, which are SIZE_MAX, HOLDFAST_NO_DURATION and HOLDFAST_NEVER,
 * which are UINT64_MAX. */

enum {
    HOLDFAST_STATUS_OK = 0,
    HOLDFAST_STATUS_CONFIG = 1,
    HOLDFAST_STATUS_RESOLVE = 2,
    HOLDFAST_STATUS_REFUSED = 3,
    HOLDFAST_STATUS_UNREACHABLE = 4,
    HOLDFAST_STATUS_TLS = 5,
    HOLDFAST_STATUS_AUTH = 6,
    HOLDFAST_STATUS_SERVER_FULL = 7,
    HOLDFAST_STATUS_SERVER_STARTING = 8,
    HOLDFAST_STATUS_CONNECT_TIMEOUT = 9,
    HOLDFAST_STATUS_POOL_TIMEOUT = 10,
    HOLDFAST_STATUS_CIRCUIT_OPEN = 11,
    HOLDFAST_STATUS_POOL_CLOSED = 12,
    HOLDFAST_STATUS_CONNECTION_LOST = 13,
    HOLDFAST_STATUS_QUERY_TIMEOUT = 14,
    HOLDFAST_STATUS_CANCELED = 15,
    HOLDFAST_STATUS_COMMIT_UNKNOWN = 16,
    HOLDFAST_STATUS_DATABASE = 17,
    HOLDFAST_STATUS_MISUSE = 18,
    HOLDFAST_STATUS_OVERLOADED = 19,
    HOLDFAST_STATUS_LOCAL_LIMIT = 20,
    HOLDFAST_STATUS_NULL = 64,
    HOLDFAST_STATUS_UTF8 = 65,
    HOLDFAST_STATUS_ARGUMENT = 66,
    HOLDFAST_STATUS_BUSY = 67,
    HOLDFAST_STATUS_TYPE = 68,
    HOLDFAST_STATUS_IS_NULL = 69,
    HOLDFAST_STATUS_PANIC = 70,
    HOLDFAST_STATUS_ROLLED_BACK = 71,
    HOLDFAST_STATUS_QUEUE_FULL = 72,
    HOLDFAST_STATUS_REENTRANT = 73,
    HOLDFAST_FIELD_SEVERITY = 83,
    HOLDFAST_FIELD_SQLSTATE = 67,
    HOLDFAST_FIELD_MESSAGE = 77,
    HOLDFAST_FIELD_DETAIL = 68,
    HOLDFAST_FIELD_HINT = 72,
    HOLDFAST_FIELD_POSITION = 80,
    HOLDFAST_FIELD_INTERNAL_POSITION = 112,
    HOLDFAST_FIELD_INTERNAL_QUERY = 113,
    HOLDFAST_FIELD_CONTEXT = 87,
    HOLDFAST_FIELD_SCHEMA = 115,
    HOLDFAST_FIELD_TABLE = 116,
    HOLDFAST_FIELD_COLUMN = 99,
    HOLDFAST_FIELD_DATA_TYPE = 100,
    HOLDFAST_FIELD_CONSTRAINT = 110,
    HOLDFAST_FIELD_FILE = 70,
    HOLDFAST_FIELD_LINE = 76,
    HOLDFAST_FIELD_ROUTINE = 82,
    HOLDFAST_LIMITED_BY_NOTHING = 0,
    HOLDFAST_LIMITED_BY_SERVER = 1,
    HOLDFAST_LIMITED_BY_RESERVED = 2,
    HOLDFAST_LIMITED_BY_ROLE = 3,
    HOLDFAST_LIMITED_BY_DATABASE = 4,
    HOLDFAST_LIMITED_BY_POOLER = 5,
    HOLDFAST_LIMITED_BY_FLEET = 6,
    HOLDFAST_LOG_OFF = 0,
    HOLDFAST_LOG_ERROR = 1,
    HOLDFAST_LOG_WARN = 2,
    HOLDFAST_LOG_INFO = 3,
    HOLDFAST_LOG_DEBUG = 4,
    HOLDFAST_LOG_TRACE = 5,
    HOLDFAST_EVENT_OPENED = 1,
    HOLDFAST_EVENT_OPEN_FAILED = 2,
    HOLDFAST_EVENT_CLOSED = 3,
    HOLDFAST_EVENT_ACQUIRED = 4,
    HOLDFAST_EVENT_RELEASED = 5,
    HOLDFAST_EVENT_WAITED = 6,
    HOLDFAST_EVENT_RETRIED = 7,
    HOLDFAST_EVENT_TIMED_OUT = 8,
    HOLDFAST_EVENT_LIMIT_MOVED = 9,
    HOLDFAST_EVENT_CIRCUIT_MOVED = 10,
    HOLDFAST_EVENT_LEAK_SUSPECTED = 11,
    HOLDFAST_EVENT_SERVER_MESSAGE = 12,
    HOLDFAST_EVENT_ROLLED_BACK = 13,
    HOLDFAST_EVENT_ALERT_RAISED = 14,
    HOLDFAST_EVENT_ALERT_CLEARED = 15,
    HOLDFAST_EVENT_EXHAUSTION_EXPLAINED = 16,
    HOLDFAST_EVENT_NOTICE = 17,
    HOLDFAST_NO_RETRY = -1,
    HOLDFAST_ERROR_KINDS = 64,
    HOLDFAST_CIRCUIT_CLOSED = 0,
    HOLDFAST_CIRCUIT_PROBING = 1,
    HOLDFAST_CIRCUIT_OPEN = 2,
    HOLDFAST_CIRCUIT_REFUSED = 3,
    HOLDFAST_METRICS_PROMETHEUS = 1,
    HOLDFAST_METRICS_OPENMETRICS = 2,
    HOLDFAST_METRICS_JSON = 3,
    HOLDFAST_METRICS_WORDS = 4,
    HOLDFAST_HEALTH_HEALTHY = 0,
    HOLDFAST_HEALTH_DEGRADED = 1,
    HOLDFAST_HEALTH_DOWN = 2,
    HOLDFAST_SERVE_BEYOND_LOOPBACK = 1,
    HOLDFAST_INFO_USER = 1,
    HOLDFAST_INFO_DBNAME = 2,
    HOLDFAST_INFO_TLS_VERSION = 3,
    HOLDFAST_INFO_TLS_CIPHER = 4,
    HOLDFAST_PACK_MAGIC = 1263552072,
    HOLDFAST_PACK_VERSION = 1,
    HOLDFAST_PACK_BOOL = 1,
    HOLDFAST_PACK_I32 = 2,
    HOLDFAST_PACK_I64 = 3,
    HOLDFAST_PACK_U32 = 4,
    HOLDFAST_PACK_F64 = 5,
    HOLDFAST_PACK_DAYS = 6,
    HOLDFAST_PACK_MICROS = 7,
    HOLDFAST_PACK_TEXT = 8,
    HOLDFAST_PACK_BYTES = 9,
    HOLDFAST_PACK_HAS_NULLS = 1,
    HOLDFAST_PACK_ASCII = 2,
    HOLDFAST_FORMAT_TEXT = 0,
    HOLDFAST_FORMAT_BINARY = 1,
    HOLDFAST_FORMAT_AUTOMATIC = 2,
    HOLDFAST_PIPELINE_SEPARATE = 0,
    HOLDFAST_PIPELINE_TOGETHER = 1,
    HOLDFAST_ISOLATION_DEFAULT = 0,
    HOLDFAST_ISOLATION_READ_COMMITTED = 1,
    HOLDFAST_ISOLATION_REPEATABLE_READ = 2,
    HOLDFAST_ISOLATION_SERIALIZABLE = 3,
    HOLDFAST_ACCESS_DEFAULT = 0,
    HOLDFAST_ACCESS_READ_WRITE = 1,
    HOLDFAST_ACCESS_READ_ONLY = 2,
    HOLDFAST_DEFERRABLE_DEFAULT = 0,
    HOLDFAST_DEFERRABLE_YES = 1,
    HOLDFAST_DEFERRABLE_NO = 2,
    HOLDFAST_TRANSACTION_IDLE = 0,
    HOLDFAST_TRANSACTION_ACTIVE = 1,
    HOLDFAST_TRANSACTION_FAILED = 2,
    HOLDFAST_TRANSACTION_UNKNOWN = 3,
    HOLDFAST_SUBMIT_QUERY = 1,
    HOLDFAST_SUBMIT_EXECUTE = 2,
    HOLDFAST_SUBMIT_ACQUIRE = 3,
    HOLDFAST_SUBMIT_TRANSACTION = 4,
    HOLDFAST_SUBMIT_CONNECTION_QUERY = 5,
    HOLDFAST_SUBMIT_CONNECTION_SCRIPT = 6,
    HOLDFAST_SUBMIT_PIPELINE = 7,
    HOLDFAST_SUBMIT_CONNECTION_EXECUTE = 8,
    HOLDFAST_SUBMIT_CONNECTION_PIPELINE = 9,
    HOLDFAST_SUBMIT_CONNECTION_BEGIN = 10,
    HOLDFAST_SUBMIT_CONNECTION_COMMIT = 11,
    HOLDFAST_SUBMIT_CONNECTION_ROLLBACK = 12,
    HOLDFAST_SUBMIT_SCRIPT = 13,
    HOLDFAST_SUBMIT_CONNECTION_STREAM = 14,
    HOLDFAST_SUBMIT_STREAM_NEXT = 15,
    HOLDFAST_SUBMIT_CONNECTION_COPY_IN = 16,
    HOLDFAST_SUBMIT_COPY_IN_WRITE = 17,
    HOLDFAST_SUBMIT_COPY_IN_FINISH = 18,
    HOLDFAST_SUBMIT_COPY_IN_ABORT = 19,
    HOLDFAST_SUBMIT_CONNECTION_COPY_OUT = 20,
    HOLDFAST_SUBMIT_COPY_OUT_READ = 21,
    HOLDFAST_SUBMIT_CONNECTION_PREPARE = 22,
    HOLDFAST_SUBMIT_CONNECTION_SAVEPOINT = 23,
    HOLDFAST_SUBMIT_CONNECTION_ROLLBACK_TO = 24,
    HOLDFAST_SUBMIT_CONNECTION_RELEASE_SAVEPOINT = 25,
    HOLDFAST_SUBMIT_CLOSE = 26,
};

typedef struct holdfast_text holdfast_text;
typedef struct holdfast_error holdfast_error;
typedef struct holdfast_config holdfast_config;
typedef struct holdfast_password holdfast_password;
typedef struct holdfast_pool holdfast_pool;
typedef struct holdfast_server holdfast_server;
typedef struct holdfast_connection holdfast_connection;
typedef struct holdfast_result holdfast_result;
typedef struct holdfast_results holdfast_results;
typedef struct holdfast_pack holdfast_pack;
typedef struct holdfast_params holdfast_params;
typedef struct holdfast_statement holdfast_statement;
typedef struct holdfast_stream holdfast_stream;
typedef struct holdfast_chunk holdfast_chunk;
typedef struct holdfast_copy_in holdfast_copy_in;
typedef struct holdfast_copy_out holdfast_copy_out;
typedef struct holdfast_outcomes holdfast_outcomes;
typedef struct holdfast_notices holdfast_notices;
typedef struct holdfast_notification holdfast_notification;
typedef struct holdfast_cancel holdfast_cancel;
typedef struct holdfast_queue holdfast_queue;
typedef struct holdfast_str {
    const char *ptr;
    size_t len;
} holdfast_str;
holdfast_str holdfast_text_view(const holdfast_text *text);
void holdfast_text_free(holdfast_text *text);
typedef int32_t holdfast_status;
holdfast_str holdfast_status_name(holdfast_status status);
typedef struct holdfast_attempt {
    uint32_t struct_size;
    holdfast_status status;
    holdfast_str phase;
    holdfast_str sqlstate;
    holdfast_str cause;
    holdfast_str target;
    uint64_t took_us;
    uint64_t backoff_us;
    uint64_t age_us;
} holdfast_attempt;
typedef struct holdfast_snapshot {
    uint32_t struct_size;
    uint32_t max_size;
    uint32_t limit;
    uint32_t total;
    uint32_t idle;
    uint32_t in_use;
    uint32_t opening;
    uint32_t waiting;
    int32_t limited_by;
    uint32_t fleet_share;
    uint32_t fleet_peers;
} holdfast_snapshot;
holdfast_status holdfast_error_status(const holdfast_error *error);
holdfast_str holdfast_error_kind(const holdfast_error *error);
holdfast_str holdfast_error_message(const holdfast_error *error);
holdfast_str holdfast_error_phase(const holdfast_error *error);
holdfast_str holdfast_error_sqlstate(const holdfast_error *error);
holdfast_str holdfast_error_field(const holdfast_error *error, int32_t field);
bool holdfast_error_is_retryable(const holdfast_error *error);
uint64_t holdfast_error_elapsed_us(const holdfast_error *error);
holdfast_str holdfast_error_target(const holdfast_error *error);
holdfast_str holdfast_error_remedy(const holdfast_error *error);
bool holdfast_error_parameter_count(const holdfast_error *error, size_t *wanted, size_t *given);
int32_t holdfast_error_os_error(const holdfast_error *error);
size_t holdfast_error_attempt_count(const holdfast_error *error);
bool holdfast_error_attempt(const holdfast_error *error, size_t index, holdfast_attempt *attempt);
bool holdfast_error_snapshot(const holdfast_error *error, holdfast_snapshot *snapshot);
holdfast_error *holdfast_error_clone(const holdfast_error *error);
void holdfast_error_free(holdfast_error *error);
holdfast_status holdfast_quote_literal(const char *value, size_t value_len, holdfast_text **quoted, holdfast_error **error);
holdfast_status holdfast_quote_identifier(const char *name, size_t name_len, holdfast_text **quoted, holdfast_error **error);
holdfast_str holdfast_version(void);
uint32_t holdfast_version_number(void);
holdfast_status holdfast_check_version(uint32_t compiled_against, holdfast_error **error);
typedef struct holdfast_option {
    uint32_t struct_size;
    uint32_t is_secret;
    holdfast_str key;
    holdfast_str group;
    holdfast_str kind;
    holdfast_str default_value;
    holdfast_str allowed;
    holdfast_str environment;
    holdfast_str doc;
} holdfast_option;
size_t holdfast_option_count(void);
holdfast_status holdfast_option_get(size_t index, holdfast_option *option, holdfast_error **error);
holdfast_config *holdfast_config_new(void);
holdfast_config *holdfast_config_production(void);
holdfast_config *holdfast_config_development(void);
holdfast_status holdfast_config_from_url(const char *url, size_t url_len, holdfast_config **config, holdfast_error **error);
holdfast_status holdfast_config_from_env(holdfast_config **config, holdfast_error **error);
holdfast_config *holdfast_config_clone(const holdfast_config *config);
holdfast_status holdfast_config_set_url(holdfast_config *config, const char *url, size_t url_len, holdfast_error **error);
holdfast_status holdfast_config_set(holdfast_config *config, const char *key, size_t key_len, const char *value, size_t value_len, holdfast_error **error);
holdfast_status holdfast_config_get(const holdfast_config *config, const char *key, size_t key_len, holdfast_text **value, holdfast_error **error);
holdfast_status holdfast_config_validate(const holdfast_config *config, holdfast_error **error);
void holdfast_config_free(holdfast_config *config);
typedef struct holdfast_log_record {
    uint32_t struct_size;
    int32_t level;
    holdfast_str message;
    holdfast_str pool;
    uint64_t unix_us;
} holdfast_log_record;
typedef void (*holdfast_log_callback)(void *user_data, const holdfast_log_record *record);
typedef void (*holdfast_destroy)(void *user_data);
holdfast_status holdfast_config_set_log(holdfast_config *config, int32_t level, holdfast_log_callback callback, void *user_data, holdfast_destroy destroy, holdfast_error **error);
typedef struct holdfast_event {
    uint32_t struct_size;
    int32_t kind;
    uint64_t unix_us;
    holdfast_str pool;
    uint64_t connection;
    uint64_t took_us;
    uint32_t backend_pid;
    holdfast_status status;
    uint32_t from;
    uint32_t to;
    holdfast_str reason;
    holdfast_str message;
    holdfast_str place;
    const holdfast_error *error;
    holdfast_str sqlstate;
} holdfast_event;
typedef void (*holdfast_event_callback)(void *user_data, const holdfast_event *event);
holdfast_str holdfast_event_name(int32_t kind);
holdfast_status holdfast_config_set_event(holdfast_config *config, holdfast_event_callback callback, void *user_data, holdfast_destroy destroy, holdfast_error **error);
typedef struct holdfast_password_request {
    uint32_t struct_size;
    int32_t was_refused;
    holdfast_str host;
    holdfast_str user;
    holdfast_str dbname;
    uint64_t timeout_ms;
    uint32_t port;
    uint32_t reserved;
} holdfast_password_request;
typedef void (*holdfast_password_callback)(void *user_data, const holdfast_password_request *request, holdfast_password *password);
holdfast_status holdfast_config_set_password(holdfast_config *config, holdfast_password_callback callback, void *user_data, holdfast_destroy destroy, holdfast_error **error);
holdfast_status holdfast_password_give(holdfast_password *password, const char *value, size_t value_len, holdfast_error **error);
holdfast_status holdfast_password_fail(holdfast_password *password, const char *message, size_t message_len, holdfast_error **error);
typedef struct holdfast_acquire_options {
    uint32_t struct_size;
    int32_t retries;
    uint64_t timeout_ms;
    int32_t idempotent;
    uint32_t reserved;
} holdfast_acquire_options;
typedef struct holdfast_close_report {
    uint32_t struct_size;
    uint32_t idle_closed;
    uint32_t returned;
    uint32_t cancelled;
    uint32_t cut;
    uint32_t reserved;
    uint64_t elapsed_us;
} holdfast_close_report;
holdfast_status holdfast_pool_open(const holdfast_config *config, holdfast_pool **pool, holdfast_error **error);
holdfast_status holdfast_pool_open_url(const char *url, size_t url_len, holdfast_pool **pool, holdfast_error **error);
holdfast_pool *holdfast_pool_clone(const holdfast_pool *pool);
holdfast_status holdfast_pool_acquire(const holdfast_pool *pool, const holdfast_acquire_options *options, holdfast_connection **connection, holdfast_error **error);
holdfast_status holdfast_pool_try_acquire(const holdfast_pool *pool, holdfast_connection **connection, holdfast_error **error);
holdfast_status holdfast_pool_wait_until_warm(const holdfast_pool *pool, uint32_t connections, uint64_t timeout_ms, holdfast_error **error);
holdfast_status holdfast_pool_set_max_size(const holdfast_pool *pool, uint32_t max_size, holdfast_error **error);
holdfast_status holdfast_pool_ping(const holdfast_pool *pool, uint64_t timeout_ms, holdfast_error **error);
holdfast_status holdfast_pool_release_idle(const holdfast_pool *pool, size_t *released, holdfast_error **error);
holdfast_status holdfast_pool_close(const holdfast_pool *pool, uint64_t timeout_ms, holdfast_close_report *report, holdfast_error **error);
bool holdfast_pool_is_closed(const holdfast_pool *pool);
holdfast_str holdfast_pool_target(const holdfast_pool *pool);
void holdfast_pool_free(holdfast_pool *pool);
holdfast_status holdfast_pool_open_echo(const holdfast_config *config, holdfast_pool **pool, holdfast_error **error);
typedef struct holdfast_stats {
    uint32_t struct_size;
    uint32_t max_size;
    uint32_t limit;
    uint32_t total;
    uint32_t idle;
    uint32_t in_use;
    uint32_t opening;
    uint32_t waiting;
    uint64_t gets;
    uint64_t waits;
    uint64_t timeouts;
    uint64_t opens;
    uint64_t retries;
    uint64_t statements;
    uint64_t rolled_back;
    uint64_t closed_idle_timeout;
    uint64_t closed_max_lifetime;
    uint64_t closed_validation_failed;
    uint64_t closed_broken;
    uint64_t closed_deadline_passed;
    uint64_t closed_unclean;
    uint64_t closed_discarded;
    uint64_t closed_pool_closed;
    uint64_t errors[64];
    int32_t limited_by;
    int32_t circuit;
    uint64_t circuit_ms;
    uint64_t probes;
    uint64_t shed;
    uint64_t closed_released;
    uint64_t closed_wrong_role;
    uint64_t closed_shared;
    uint32_t fleet_share;
    uint32_t fleet_peers;
    uint64_t validations;
    uint64_t closed_surplus;
} holdfast_stats;
holdfast_str holdfast_circuit_name(int32_t state);
holdfast_str holdfast_limited_by_name(int32_t limit);
holdfast_status holdfast_pool_stats(const holdfast_pool *pool, holdfast_stats *stats, holdfast_error **error);
typedef struct holdfast_health {
    uint32_t struct_size;
    int32_t status;
    uint32_t live;
    uint32_t ready;
    uint32_t alerts;
    uint32_t reasons;
    uint64_t last_success_us;
    uint64_t last_error_us;
    uint64_t last_probe_us;
} holdfast_health;
holdfast_str holdfast_health_name(int32_t status);
holdfast_status holdfast_pool_health(const holdfast_pool *pool, holdfast_health *health, holdfast_error **error);
holdfast_status holdfast_pool_metrics(const holdfast_pool *pool, int32_t format, holdfast_text **text, holdfast_error **error);
holdfast_status holdfast_pool_explain_exhaustion(const holdfast_pool *pool, int32_t format, holdfast_text **text, holdfast_error **error);
holdfast_status holdfast_pool_serve(const holdfast_pool *pool, const char *address, size_t address_len, const char *token, size_t token_len, uint32_t flags, holdfast_server **server, holdfast_error **error);
holdfast_str holdfast_server_url(const holdfast_server *server);
void holdfast_server_free(holdfast_server *server);
holdfast_status holdfast_pool_silence(const holdfast_pool *pool, uint64_t timeout_ms, holdfast_error **error);
holdfast_status holdfast_connection_set_deadline(holdfast_connection *connection, uint64_t limit_ms, holdfast_error **error);
holdfast_status holdfast_connection_ping(holdfast_connection *connection, holdfast_error **error);
uint32_t holdfast_connection_backend_pid(const holdfast_connection *connection);
int holdfast_connection_socket(const holdfast_connection *connection);
holdfast_str holdfast_connection_target(const holdfast_connection *connection);
void holdfast_connection_release(holdfast_connection *connection);
void holdfast_connection_discard(holdfast_connection *connection);
typedef holdfast_status (*holdfast_connect_callback)(void *user_data, holdfast_connection *connection, holdfast_error **error);
holdfast_status holdfast_config_set_connect(holdfast_config *config, holdfast_connect_callback callback, void *user_data, holdfast_destroy destroy, holdfast_error **error);
holdfast_status holdfast_connection_info(const holdfast_connection *connection, int32_t what, holdfast_text **value, holdfast_error **error);
holdfast_status holdfast_connection_parameter(const holdfast_connection *connection, const char *name, size_t name_len, holdfast_text **value, holdfast_error **error);
typedef struct holdfast_column {
    uint32_t struct_size;
    uint32_t type_oid;
    int32_t type_size;
    int32_t type_modifier;
    uint32_t table_oid;
    int32_t column_number;
    int32_t format;
    uint32_t reserved;
    holdfast_str name;
} holdfast_column;
typedef struct holdfast_cell {
    const uint8_t *ptr;
    size_t len;
} holdfast_cell;
size_t holdfast_result_rows(const holdfast_result *result);
size_t holdfast_result_columns(const holdfast_result *result);
bool holdfast_result_column(const holdfast_result *result, size_t index, holdfast_column *column);
size_t holdfast_result_find_column(const holdfast_result *result, const char *name, size_t name_len);
holdfast_str holdfast_result_command_tag(const holdfast_result *result);
uint64_t holdfast_result_rows_affected(const holdfast_result *result);
holdfast_cell holdfast_result_cell(const holdfast_result *result, size_t row, size_t column);
bool holdfast_result_is_null(const holdfast_result *result, size_t row, size_t column);
holdfast_status holdfast_result_text(const holdfast_result *result, size_t row, size_t column, holdfast_str *value, holdfast_error **error);
holdfast_status holdfast_result_i64(const holdfast_result *result, size_t row, size_t column, int64_t *value, holdfast_error **error);
holdfast_status holdfast_result_f64(const holdfast_result *result, size_t row, size_t column, double *value, holdfast_error **error);
holdfast_status holdfast_result_bool(const holdfast_result *result, size_t row, size_t column, bool *value, holdfast_error **error);
holdfast_result *holdfast_result_clone(const holdfast_result *result);
void holdfast_result_free(holdfast_result *result);
size_t holdfast_results_count(const holdfast_results *results);
const holdfast_result *holdfast_results_get(const holdfast_results *results, size_t index);
void holdfast_results_free(holdfast_results *results);
typedef struct holdfast_pack_header {
    uint32_t magic;
    uint32_t version;
    uint32_t size;
    uint32_t rows;
    uint32_t columns;
    uint32_t columns_at;
    uint32_t column_size;
    uint32_t tag_at;
    uint32_t tag_len;
    uint32_t reserved[3];
} holdfast_pack_header;
typedef struct holdfast_pack_column {
    uint32_t type_oid;
    uint32_t kind;
    uint32_t flags;
    uint32_t format;
    uint32_t name_at;
    uint32_t name_len;
    uint32_t table_oid;
    int32_t column_number;
    int32_t type_size;
    int32_t type_modifier;
    uint32_t nulls_at;
    uint32_t values_at;
    uint32_t values_len;
    uint32_t arena_at;
    uint32_t arena_len;
    uint32_t reserved;
} holdfast_pack_column;
holdfast_status holdfast_result_pack(const holdfast_result *result, holdfast_pack **pack, holdfast_error **error);
holdfast_cell holdfast_pack_data(const holdfast_pack *pack);
void holdfast_pack_free(holdfast_pack *pack);
typedef struct holdfast_param {
    const void *value;
    size_t len;
    uint32_t type_oid;
    int32_t format;
} holdfast_param;
holdfast_status holdfast_connection_query(holdfast_connection *connection, const char *sql, size_t sql_len, const holdfast_param *params, size_t nparams, int32_t result_format, holdfast_result **result, holdfast_error **error);
holdfast_status holdfast_pool_query(const holdfast_pool *pool, const holdfast_acquire_options *options, const char *sql, size_t sql_len, const holdfast_param *params, size_t nparams, int32_t result_format, holdfast_result **result, holdfast_error **error);
holdfast_status holdfast_connection_script(holdfast_connection *connection, const char *sql, size_t sql_len, holdfast_results **results, holdfast_error **error);
holdfast_status holdfast_params_new(holdfast_params **params, holdfast_error **error);
holdfast_status holdfast_params_add_null(holdfast_params *params, uint32_t type_oid, holdfast_error **error);
holdfast_status holdfast_params_add_bool(holdfast_params *params, int32_t value, holdfast_error **error);
holdfast_status holdfast_params_add_i64(holdfast_params *params, int64_t value, holdfast_error **error);
holdfast_status holdfast_params_add_f64(holdfast_params *params, double value, holdfast_error **error);
holdfast_status holdfast_params_add_text(holdfast_params *params, const char *value, size_t value_len, holdfast_error **error);
holdfast_status holdfast_params_add_bytes(holdfast_params *params, const void *value, size_t len, holdfast_error **error);
holdfast_status holdfast_params_add(holdfast_params *params, const void *value, size_t len, uint32_t type_oid, int32_t format, holdfast_error **error);
void holdfast_params_clear(holdfast_params *params);
const holdfast_param *holdfast_params_data(const holdfast_params *params);
size_t holdfast_params_count(const holdfast_params *params);
void holdfast_params_free(holdfast_params *params);
holdfast_status holdfast_connection_prepare(holdfast_connection *connection, const char *sql, size_t sql_len, const uint32_t *types, size_t ntypes, holdfast_statement **statement, holdfast_error **error);
size_t holdfast_statement_parameters(const holdfast_statement *statement);
uint32_t holdfast_statement_parameter_type(const holdfast_statement *statement, size_t index);
size_t holdfast_statement_columns(const holdfast_statement *statement);
bool holdfast_statement_column(const holdfast_statement *statement, size_t index, holdfast_column *column);
holdfast_str holdfast_statement_text(const holdfast_statement *statement);
holdfast_statement *holdfast_statement_clone(const holdfast_statement *statement);
void holdfast_statement_free(holdfast_statement *statement);
holdfast_status holdfast_connection_execute(holdfast_connection *connection, const holdfast_statement *statement, const holdfast_param *params, size_t nparams, int32_t result_format, holdfast_result **result, holdfast_error **error);
holdfast_status holdfast_pool_execute(const holdfast_pool *pool, const holdfast_acquire_options *options, const holdfast_statement *statement, const holdfast_param *params, size_t nparams, int32_t result_format, holdfast_result **result, holdfast_error **error);
holdfast_status holdfast_connection_stream(holdfast_connection *connection, const char *sql, size_t sql_len, const holdfast_param *params, size_t nparams, int32_t result_format, holdfast_stream **stream, holdfast_error **error);
holdfast_status holdfast_stream_next(holdfast_stream *stream, size_t max_rows, holdfast_result **result, holdfast_error **error);
size_t holdfast_stream_columns(const holdfast_stream *stream);
bool holdfast_stream_column(const holdfast_stream *stream, size_t index, holdfast_column *column);
holdfast_str holdfast_stream_command_tag(const holdfast_stream *stream);
void holdfast_stream_free(holdfast_stream *stream);
holdfast_status holdfast_connection_copy_in(holdfast_connection *connection, const char *sql, size_t sql_len, holdfast_copy_in **copy, holdfast_error **error);
holdfast_status holdfast_copy_in_write(holdfast_copy_in *copy, const void *data, size_t len, holdfast_error **error);
holdfast_status holdfast_copy_in_finish(holdfast_copy_in *copy, uint64_t *rows, holdfast_error **error);
holdfast_status holdfast_copy_in_abort(holdfast_copy_in *copy, const char *reason, size_t reason_len, holdfast_error **error);
void holdfast_copy_in_free(holdfast_copy_in *copy);
holdfast_status holdfast_connection_copy_out(holdfast_connection *connection, const char *sql, size_t sql_len, holdfast_copy_out **copy, holdfast_error **error);
holdfast_status holdfast_copy_out_read(holdfast_copy_out *copy, holdfast_cell *data, holdfast_error **error);
uint64_t holdfast_copy_out_rows(const holdfast_copy_out *copy);
void holdfast_copy_out_free(holdfast_copy_out *copy);
holdfast_cell holdfast_chunk_data(const holdfast_chunk *chunk);
void holdfast_chunk_free(holdfast_chunk *chunk);
typedef struct holdfast_request {
    const char *sql;
    size_t sql_len;
    const holdfast_statement *statement;
    const holdfast_param *params;
    size_t nparams;
    int32_t result_format;
    uint32_t reserved;
} holdfast_request;
holdfast_status holdfast_connection_pipeline(holdfast_connection *connection, const holdfast_request *requests, size_t count, int32_t mode, holdfast_outcomes **outcomes, holdfast_error **error);
size_t holdfast_outcomes_count(const holdfast_outcomes *outcomes);
const holdfast_result *holdfast_outcomes_result(const holdfast_outcomes *outcomes, size_t index);
const holdfast_error *holdfast_outcomes_error(const holdfast_outcomes *outcomes, size_t index);
void holdfast_outcomes_free(holdfast_outcomes *outcomes);
typedef struct holdfast_transaction_options {
    uint32_t struct_size;
    int32_t isolation;
    int32_t access;
    int32_t deferrable;
    int32_t reruns;
    int32_t resolve_commit;
    uint64_t timeout_ms;
} holdfast_transaction_options;
typedef holdfast_status (*holdfast_transaction_body)(void *user_data, holdfast_connection *connection, holdfast_error **error);
holdfast_status holdfast_connection_begin(holdfast_connection *connection, const holdfast_transaction_options *options, holdfast_error **error);
holdfast_status holdfast_connection_commit(holdfast_connection *connection, holdfast_error **error);
holdfast_status holdfast_connection_rollback(holdfast_connection *connection, holdfast_error **error);
holdfast_status holdfast_connection_savepoint(holdfast_connection *connection, const char *name, size_t name_len, holdfast_error **error);
holdfast_status holdfast_connection_rollback_to(holdfast_connection *connection, const char *name, size_t name_len, holdfast_error **error);
holdfast_status holdfast_connection_release_savepoint(holdfast_connection *connection, const char *name, size_t name_len, holdfast_error **error);
int32_t holdfast_connection_transaction_status(const holdfast_connection *connection);
holdfast_status holdfast_pool_transaction(const holdfast_pool *pool, const holdfast_acquire_options *acquire_options, const holdfast_transaction_options *options, holdfast_transaction_body body, void *user_data, holdfast_error **error);
holdfast_status holdfast_connection_notification(holdfast_connection *connection, uint64_t timeout_ms, holdfast_notification **notification, holdfast_error **error);
holdfast_str holdfast_notification_channel(const holdfast_notification *notification);
holdfast_str holdfast_notification_payload(const holdfast_notification *notification);
uint32_t holdfast_notification_backend_pid(const holdfast_notification *notification);
void holdfast_notification_free(holdfast_notification *notification);
holdfast_status holdfast_connection_notices(holdfast_connection *connection, holdfast_notices **notices, holdfast_error **error);
holdfast_status holdfast_connection_dropped_messages(holdfast_connection *connection, uint64_t *count, holdfast_error **error);
size_t holdfast_notices_count(const holdfast_notices *notices);
holdfast_str holdfast_notices_field(const holdfast_notices *notices, size_t index, int32_t field);
void holdfast_notices_free(holdfast_notices *notices);
holdfast_status holdfast_cancel_new(const holdfast_connection *connection, holdfast_cancel **cancel, holdfast_error **error);
holdfast_cancel *holdfast_cancel_clone(const holdfast_cancel *cancel);
holdfast_status holdfast_cancel_fire(const holdfast_cancel *cancel, uint64_t timeout_ms, holdfast_error **error);
holdfast_status holdfast_cancel_arm(const holdfast_cancel *cancel, holdfast_error **error);
bool holdfast_cancel_raise(const holdfast_cancel *cancel);
void holdfast_cancel_free(holdfast_cancel *cancel);
typedef struct holdfast_completion {
    uint64_t tag;
    uint64_t request;
    holdfast_status status;
    int32_t kind;
    holdfast_result *result;
    holdfast_results *results;
    holdfast_outcomes *outcomes;
    holdfast_pack *pack;
    holdfast_connection *connection;
    holdfast_error *error;
    uint64_t queued_us;
    uint64_t running_us;
    holdfast_stream *stream;
    holdfast_copy_in *copy_in;
    holdfast_copy_out *copy_out;
    holdfast_chunk *chunk;
    holdfast_statement *statement;
    uint64_t rows;
    uint64_t index;
    int32_t more;
    uint32_t reserved;
    uint32_t idle_closed;
    uint32_t returned;
    uint32_t cancelled;
    uint32_t cut;
    holdfast_notices *notices;
} holdfast_completion;
typedef struct holdfast_queue_options {
    uint32_t struct_size;
    uint32_t capacity;
} holdfast_queue_options;
typedef void (*holdfast_ready_callback)(void *user_data);
holdfast_status holdfast_queue_new(const holdfast_queue_options *options, holdfast_queue **queue, holdfast_error **error);
int holdfast_queue_fd(const holdfast_queue *queue);
holdfast_status holdfast_queue_on_ready(const holdfast_queue *queue, holdfast_ready_callback callback, void *user_data, holdfast_destroy destroy, holdfast_error **error);
holdfast_status holdfast_queue_silence(const holdfast_queue *queue, uint64_t timeout_ms, holdfast_error **error);
size_t holdfast_queue_drain(const holdfast_queue *queue, holdfast_completion *out, size_t most, size_t completion_size);
bool holdfast_queue_wait(const holdfast_queue *queue, uint64_t timeout_ms);
size_t holdfast_queue_pending(const holdfast_queue *queue);
holdfast_status holdfast_request_cancel(const holdfast_queue *queue, uint64_t request, holdfast_error **error);
void holdfast_queue_free(holdfast_queue *queue);
typedef struct holdfast_submit_options {
    uint32_t struct_size;
    int32_t retries;
    uint64_t timeout_ms;
    uint64_t deadline_ms;
    int32_t result_format;
    int32_t pack;
    int32_t idempotent;
    int32_t deadline_covers_wait;
    int32_t in_parts;
    int32_t notices;
} holdfast_submit_options;
holdfast_status holdfast_submit_query(const holdfast_pool *pool, const holdfast_queue *queue, uint64_t tag, const holdfast_submit_options *options, const char *sql, size_t sql_len, const holdfast_param *params, size_t nparams, uint64_t *request, holdfast_error **error);
holdfast_status holdfast_submit_execute(const holdfast_pool *pool, const holdfast_queue *queue, uint64_t tag, const holdfast_submit_options *options, const holdfast_statement *statement, const holdfast_param *params, size_t nparams, uint64_t *request, holdfast_error **error);
holdfast_status holdfast_submit_script(const holdfast_pool *pool, const holdfast_queue *queue, uint64_t tag, const holdfast_submit_options *options, const char *sql, size_t sql_len, uint64_t *request, holdfast_error **error);
holdfast_status holdfast_submit_pipeline(const holdfast_pool *pool, const holdfast_queue *queue, uint64_t tag, const holdfast_submit_options *options, const holdfast_request *requests, size_t count, int32_t mode, uint64_t *request, holdfast_error **error);
holdfast_status holdfast_submit_acquire(const holdfast_pool *pool, const holdfast_queue *queue, uint64_t tag, const holdfast_submit_options *options, uint64_t *request, holdfast_error **error);
holdfast_status holdfast_submit_transaction(const holdfast_pool *pool, const holdfast_queue *queue, uint64_t tag, const holdfast_submit_options *options, const holdfast_transaction_options *transaction_options, holdfast_transaction_body body, void *user_data, holdfast_destroy destroy, uint64_t *request, holdfast_error **error);
holdfast_status holdfast_submit_close(const holdfast_pool *pool, const holdfast_queue *queue, uint64_t tag, uint64_t timeout_ms, uint64_t *request, holdfast_error **error);
holdfast_status holdfast_submit_connection_query(holdfast_connection *connection, const holdfast_queue *queue, uint64_t tag, const holdfast_submit_options *options, const char *sql, size_t sql_len, const holdfast_param *params, size_t nparams, uint64_t *request, holdfast_error **error);
holdfast_status holdfast_submit_connection_execute(holdfast_connection *connection, const holdfast_queue *queue, uint64_t tag, const holdfast_submit_options *options, const holdfast_statement *statement, const holdfast_param *params, size_t nparams, uint64_t *request, holdfast_error **error);
holdfast_status holdfast_submit_connection_script(holdfast_connection *connection, const holdfast_queue *queue, uint64_t tag, const holdfast_submit_options *options, const char *sql, size_t sql_len, uint64_t *request, holdfast_error **error);
holdfast_status holdfast_submit_connection_pipeline(holdfast_connection *connection, const holdfast_queue *queue, uint64_t tag, const holdfast_submit_options *options, const holdfast_request *requests, size_t count, int32_t mode, uint64_t *request, holdfast_error **error);
holdfast_status holdfast_submit_connection_begin(holdfast_connection *connection, const holdfast_queue *queue, uint64_t tag, const holdfast_submit_options *options, const holdfast_transaction_options *transaction_options, uint64_t *request, holdfast_error **error);
holdfast_status holdfast_submit_connection_commit(holdfast_connection *connection, const holdfast_queue *queue, uint64_t tag, const holdfast_submit_options *options, uint64_t *request, holdfast_error **error);
holdfast_status holdfast_submit_connection_rollback(holdfast_connection *connection, const holdfast_queue *queue, uint64_t tag, const holdfast_submit_options *options, uint64_t *request, holdfast_error **error);
holdfast_status holdfast_submit_connection_prepare(holdfast_connection *connection, const holdfast_queue *queue, uint64_t tag, const holdfast_submit_options *options, const char *sql, size_t sql_len, const uint32_t *types, size_t ntypes, uint64_t *request, holdfast_error **error);
holdfast_status holdfast_submit_connection_savepoint(holdfast_connection *connection, const holdfast_queue *queue, uint64_t tag, const holdfast_submit_options *options, const char *name, size_t name_len, uint64_t *request, holdfast_error **error);
holdfast_status holdfast_submit_connection_rollback_to(holdfast_connection *connection, const holdfast_queue *queue, uint64_t tag, const holdfast_submit_options *options, const char *name, size_t name_len, uint64_t *request, holdfast_error **error);
holdfast_status holdfast_submit_connection_release_savepoint(holdfast_connection *connection, const holdfast_queue *queue, uint64_t tag, const holdfast_submit_options *options, const char *name, size_t name_len, uint64_t *request, holdfast_error **error);
holdfast_status holdfast_submit_connection_stream(holdfast_connection *connection, const holdfast_queue *queue, uint64_t tag, const holdfast_submit_options *options, const char *sql, size_t sql_len, const holdfast_param *params, size_t nparams, uint64_t *request, holdfast_error **error);
holdfast_status holdfast_submit_stream_next(holdfast_stream *stream, const holdfast_queue *queue, uint64_t tag, const holdfast_submit_options *options, size_t max_rows, uint64_t *request, holdfast_error **error);
holdfast_status holdfast_submit_connection_copy_in(holdfast_connection *connection, const holdfast_queue *queue, uint64_t tag, const holdfast_submit_options *options, const char *sql, size_t sql_len, uint64_t *request, holdfast_error **error);
holdfast_status holdfast_submit_copy_in_write(holdfast_copy_in *copy, const holdfast_queue *queue, uint64_t tag, const holdfast_submit_options *options, const void *data, size_t len, uint64_t *request, holdfast_error **error);
holdfast_status holdfast_submit_copy_in_finish(holdfast_copy_in *copy, const holdfast_queue *queue, uint64_t tag, const holdfast_submit_options *options, uint64_t *request, holdfast_error **error);
holdfast_status holdfast_submit_copy_in_abort(holdfast_copy_in *copy, const holdfast_queue *queue, uint64_t tag, const holdfast_submit_options *options, const char *reason, size_t reason_len, uint64_t *request, holdfast_error **error);
holdfast_status holdfast_submit_connection_copy_out(holdfast_connection *connection, const holdfast_queue *queue, uint64_t tag, const holdfast_submit_options *options, const char *sql, size_t sql_len, uint64_t *request, holdfast_error **error);
holdfast_status holdfast_submit_copy_out_read(holdfast_copy_out *copy, const holdfast_queue *queue, uint64_t tag, const holdfast_submit_options *options, size_t min_bytes, uint64_t *request, holdfast_error **error);
