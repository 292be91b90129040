/* Passwords from a callback: rotated under load, refused, missing, and given by callbacks that misbehave. */
#include "../pools.h"

#include <pthread.h>

static const char *url;

enum { MOST_ROTATIONS = 64 };

/* What the role's password is now, and what callbacks were asked for. */
static struct {
    pthread_mutex_t lock;
    int current;
    /* Sessions that are being opened, by what the password was when they were begun. */
    int openings[MOST_ROTATIONS];
    int asked, refused, destroyed;
} vault = {PTHREAD_MUTEX_INITIALIZER, 0, {0}, 0, 0, 0};

/* What the password was when this thread began to open a session; 0 if it opens none. */
static __thread int began;

static void count_destroyed(void *user_data)
{
    (void)user_data;
    __sync_fetch_and_add(&vault.destroyed, 1);
}

/* By any thread of the library, so it is read like that. */
static int destroyed(void)
{
    return __sync_fetch_and_add(&vault.destroyed, 0);
}

static void look_at(const holdfast_password_request *request)
{
    CHECK(request->struct_size == sizeof *request && request->reserved == 0);
    CHECK(is(request->user, "app") && is(request->dbname, "postgres") && request->host.len > 0);
    CHECK(request->port > 0 && request->timeout_ms > 0 && request->timeout_ms <= 8000);
}

static void give_current(void *user_data, const holdfast_password_request *request, holdfast_password *password)
{
    char secret[32];
    holdfast_error *error;
    (void)user_data;
    look_at(request);
    pthread_mutex_lock(&vault.lock);
    vault.asked++;
    vault.refused += request->was_refused;
    if (!request->was_refused) {
        began = vault.current;
        vault.openings[began]++;
    }
    snprintf(secret, sizeof secret, "secret %d", vault.current);
    pthread_mutex_unlock(&vault.lock);
    /* The second replaces the first, which is longer than the second. */
    OK(holdfast_password_give(password, "something else altogether", HOLDFAST_NUL, &error));
    OK(holdfast_password_give(password, secret, strlen(secret), &error));
    memset(secret, 0, sizeof secret);
}

static void count_opened(void *user_data, const holdfast_event *event)
{
    (void)user_data;
    if (began == 0 || (event->kind != HOLDFAST_EVENT_OPENED && event->kind != HOLDFAST_EVENT_OPEN_FAILED))
        return;
    pthread_mutex_lock(&vault.lock);
    vault.openings[began]--;
    pthread_mutex_unlock(&vault.lock);
    began = 0;
}

static holdfast_config *of_app(holdfast_password_callback callback, void *user_data)
{
    holdfast_config *config;
    holdfast_error *error;
    OK(holdfast_config_from_url(url, HOLDFAST_NUL, &config, &error));
    OK(holdfast_config_set(config, "user", HOLDFAST_NUL, "app", HOLDFAST_NUL, &error));
    OK(holdfast_config_set(config, "dbname", HOLDFAST_NUL, "postgres", HOLDFAST_NUL, &error));
    OK(holdfast_config_set(config, "password", HOLDFAST_NUL, "ignored", HOLDFAST_NUL, &error));
    OK(holdfast_config_set(config, "retry_max", HOLDFAST_NUL, "0", HOLDFAST_NUL, &error));
    OK(holdfast_config_set_password(config, callback, user_data, count_destroyed, &error));
    return config;
}

/* A password may change once while a session is opened, not twice, however slow a machine is. */
static void rotate(const holdfast_pool *admin)
{
    char sql[64];
    holdfast_error *error;
    int older = 0;
    do {
        if (older > 0) {
            pthread_mutex_unlock(&vault.lock);
            pause_ms(1);
        }
        pthread_mutex_lock(&vault.lock);
        older = 0;
        for (int i = 0; i < vault.current; i++)
            older += vault.openings[i];
    } while (older > 0);
    vault.current++;
    CHECK(vault.current < MOST_ROTATIONS);
    snprintf(sql, sizeof sql, "alter role app password 'secret %d'", vault.current);
    OK(ask(admin, sql, &error));
    pthread_mutex_unlock(&vault.lock);
}

static int over;

static void *works(void *pool)
{
    holdfast_error *error = NULL;
    while (!__atomic_load_n(&over, __ATOMIC_SEQ_CST))
        OK(ask(pool, "select 1", &error));
    return NULL;
}

static void rotations_under_load_fail_no_call(const holdfast_pool *admin)
{
    const size_t rotations = as_many_as(40);
    pthread_t threads[4];
    holdfast_error *error;
    holdfast_config *config = of_app(give_current, NULL);
    holdfast_pool *pool;
    OK(holdfast_config_set_event(config, count_opened, NULL, NULL, &error));
    OK(holdfast_config_set(config, "max_lifetime", HOLDFAST_NUL, "10ms", HOLDFAST_NUL, &error));
    OK(holdfast_config_set(config, "max_size", HOLDFAST_NUL, "3", HOLDFAST_NUL, &error));
    pool = opened(config);
    for (size_t i = 0; i < 4; i++)
        CHECK(pthread_create(&threads[i], NULL, works, pool) == 0);
    for (size_t i = 0; i < rotations; i++) {
        rotate(admin);
        pause_ms(30);
    }
    __atomic_store_n(&over, 1, __ATOMIC_SEQ_CST);
    for (size_t i = 0; i < 4; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    CHECK((size_t)vault.asked >= rotations);
    OK(holdfast_pool_close(pool, HOLDFAST_CONFIGURED, NULL, &error));
    CHECK(destroyed() == 0);
    holdfast_pool_free(pool);
    for (int i = 0; i < 500 && destroyed() == 0; i++)
        pause_ms(10);
    CHECK(destroyed() == 1);
}

/* The ways in which a callback can give no password. */
enum { FAILS_WITH_WORDS, GIVES_NOTHING, GIVES_NUL, TAKES_IT_BACK, BLOCKS, WAYS };

static const holdfast_pool *other;

static void misbehave(void *user_data, const holdfast_password_request *request, holdfast_password *password)
{
    holdfast_error *error;
    look_at(request);
    switch (*(const int *)user_data) {
    case FAILS_WITH_WORDS:
        OK(holdfast_password_fail(password, "the vault is sealed", HOLDFAST_NUL, &error));
        break;
    case GIVES_NUL:
        FAILS(HOLDFAST_STATUS_UTF8, holdfast_password_give(password, "a\0b", 3, &error));
        break;
    case TAKES_IT_BACK:
        OK(holdfast_password_give(password, "secret", HOLDFAST_NUL, &error));
        OK(holdfast_password_fail(password, "on second thoughts", HOLDFAST_NUL, &error));
        break;
    case BLOCKS:
        FAILS(HOLDFAST_STATUS_REENTRANT, ask(other, "select 1", &error));
        break;
    }
}

static void a_callback_without_a_password_is_the_cause(const holdfast_pool *admin)
{
    static const char *const words[WAYS] = {"the vault is sealed", "it gave no password", "it gave no password",
                                            "on second thoughts", "it gave no password"};
    other = admin;
    for (int way = 0; way < WAYS; way++) {
        holdfast_error *error = NULL;
        holdfast_pool *pool = opened(of_app(misbehave, &way));
        CHECK(ask(pool, "select 1", &error) == HOLDFAST_STATUS_AUTH);
        CHECK(has(holdfast_error_message(error), words[way]) && holdfast_error_is_retryable(error));
        CHECK(!has(holdfast_error_message(error), "secret"));
        holdfast_error_free(error);
        holdfast_pool_free(pool);
    }
}

static void refuse_all(void *user_data, const holdfast_password_request *request, holdfast_password *password)
{
    char token[32];
    holdfast_error *error;
    look_at(request);
    CHECK(request->was_refused == (*(int *)user_data > 0));
    snprintf(token, sizeof token, "token %d", (*(int *)user_data)++);
    OK(holdfast_password_give(password, token, HOLDFAST_NUL, &error));
}

static void a_refused_password_is_asked_for_twice_more(void)
{
    int asked = 0;
    holdfast_error *error = NULL;
    holdfast_pool *pool = opened(of_app(refuse_all, &asked));
    CHECK(ask(pool, "select 1", &error) == HOLDFAST_STATUS_AUTH && asked == 3);
    CHECK(is(holdfast_error_sqlstate(error), "28P01") && !holdfast_error_is_retryable(error));
    CHECK(!has(holdfast_error_message(error), "token"));
    holdfast_error_free(error);
    holdfast_pool_free(pool);
}

static void the_callback_goes_with_the_configuration_or_is_taken_away(void)
{
    holdfast_error *error;
    holdfast_config *config = of_app(give_current, NULL), *copy;
    holdfast_pool *pool;
    const int before = destroyed();
    copy = holdfast_config_clone(config);
    OK(holdfast_config_set_password(config, NULL, NULL, NULL, &error));
    CHECK(destroyed() == before);
    holdfast_config_free(copy);
    CHECK(destroyed() == before + 1);
    /* Without it, the option counts again. */
    pool = opened(config);
    CHECK(ask(pool, "select 1", &error) == HOLDFAST_STATUS_AUTH);
    CHECK(is(holdfast_error_sqlstate(error), "28P01"));
    holdfast_error_free(error);
    holdfast_pool_free(pool);
    error = NULL;
    FAILS(HOLDFAST_STATUS_NULL, holdfast_config_set_password(NULL, give_current, NULL, count_destroyed, &error));
    FAILS(HOLDFAST_STATUS_NULL, holdfast_password_give(NULL, "x", 1, &error));
    FAILS(HOLDFAST_STATUS_NULL, holdfast_password_fail(NULL, "x", 1, &error));
    CHECK(destroyed() == before + 1);
}

int main(int argc, char **argv)
{
    holdfast_error *error;
    holdfast_pool *admin;
    CHECK(argc == 2);
    url = argv[1];
    OK(holdfast_pool_open_url(url, HOLDFAST_NUL, &admin, &error));
    rotate(admin);
    rotations_under_load_fail_no_call(admin);
    a_callback_without_a_password_is_the_cause(admin);
    a_refused_password_is_asked_for_twice_more();
    the_callback_goes_with_the_configuration_or_is_taken_away();
    holdfast_pool_free(admin);
    return 0;
}
