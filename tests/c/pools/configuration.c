/* Options are set, read back and listed. */
#include "../check.h"

static bool shows(const holdfast_config *config, const char *key, const char *wanted)
{
    holdfast_text *text;
    holdfast_error *error;
    OK(holdfast_config_get(config, key, HOLDFAST_NUL, &text, &error));
    bool same = text != NULL && is(holdfast_text_view(text), wanted);
    holdfast_text_free(text);
    return same;
}

static void what_is_set_is_read_back(void)
{
    holdfast_config *config = holdfast_config_new(), *copy;
    holdfast_text *text;
    holdfast_error *error;

    OK(holdfast_config_set_url(config, "postgresql://app:hush@db.example:5433/orders?max_size=4", HOLDFAST_NUL,
                               &error));
    OK(holdfast_config_set(config, "idle_timeout", 12, "90s and more", 3, &error)); /* lengths count */
    OK(holdfast_config_validate(config, &error));
    CHECK(shows(config, "max_size", "4") && shows(config, "idle_timeout", "90s"));
    CHECK(shows(config, "host", "db.example") && shows(config, "port", "5433") && shows(config, "user", "app"));
    CHECK(shows(config, "password", "***"));
    copy = holdfast_config_clone(config);
    OK(holdfast_config_set(copy, "max_size", HOLDFAST_NUL, "2", HOLDFAST_NUL, &error));
    CHECK(shows(copy, "max_size", "2") && shows(config, "max_size", "4"));
    OK(holdfast_config_get(config, "sslcert", HOLDFAST_NUL, &text, &error));
    CHECK(text == NULL);
    holdfast_config_free(config);
    holdfast_config_free(copy);
}

static void a_wrong_option_is_named_with_what_would_be_right(void)
{
    holdfast_config *config = holdfast_config_development();
    holdfast_error *error;

    CHECK(holdfast_config_set(config, "max_sise", HOLDFAST_NUL, "4", 1, &error) == HOLDFAST_STATUS_CONFIG);
    CHECK(has(holdfast_error_message(error), "max_size") && is(holdfast_error_phase(error), "config"));
    holdfast_error_free(error);
    FAILS(HOLDFAST_STATUS_CONFIG, holdfast_config_set(config, "max_size", HOLDFAST_NUL, "many", 4, &error));
    FAILS(HOLDFAST_STATUS_CONFIG, holdfast_config_set_url(config, "host=x nonsense=1", HOLDFAST_NUL, &error));
    CHECK(shows(config, "max_size", "5"));
    holdfast_config_free(config);

    CHECK(holdfast_config_from_url("postgresql://u:secret@h/?sslmode=no", HOLDFAST_NUL, &config, &error) ==
          HOLDFAST_STATUS_CONFIG);
    CHECK(config == NULL && !has(holdfast_error_message(error), "secret"));
    holdfast_error_free(error);
}

static void the_environment_is_read(void)
{
    holdfast_config *config;
    holdfast_error *error;

    config = holdfast_config_production();
    CHECK(shows(config, "max_size", "8"));
    holdfast_config_free(config);
    CHECK(setenv("DATABASE_URL", "postgresql://from.env/orders", 1) == 0);
    OK(holdfast_config_from_env(&config, &error));
    CHECK(shows(config, "host", "from.env") && shows(config, "dbname", "orders"));
    holdfast_config_free(config);
    CHECK(setenv("DATABASE_URL", "postgresql://h/?nonsense=1", 1) == 0);
    FAILS(HOLDFAST_STATUS_CONFIG, holdfast_config_from_env(&config, &error));
    CHECK(config == NULL);
}

static void every_option_is_listed_and_known(void)
{
    holdfast_config *config = holdfast_config_new();
    holdfast_error *error;
    size_t secrets = 0, own = 0;

    CHECK(holdfast_option_count() > 30);
    for (size_t i = 0; i < holdfast_option_count(); i++) {
        holdfast_option option = {.struct_size = sizeof option};
        holdfast_text *text;
        OK(holdfast_option_get(i, &option, &error));
        CHECK(option.key.len > 0 && option.kind.len > 0 && option.allowed.len > 0 && option.doc.len > 0);
        /* `environment` says whether variables are read at all: it has none. */
        CHECK(has(option.environment, "HOLDFAST_") || is(option.key, "environment"));
        OK(holdfast_config_get(config, option.key.ptr, option.key.len, &text, &error));
        holdfast_text_free(text);
        secrets += option.is_secret;
        own += is(option.group, "pool");
        if (is(option.key, "idle_timeout"))
            CHECK(is(option.default_value, "15s") && is(option.kind, "duration") && option.is_secret == 0);
    }
    CHECK(secrets > 0 && own > 10);
    holdfast_option none = {.struct_size = sizeof none};
    FAILS(HOLDFAST_STATUS_ARGUMENT, holdfast_option_get(holdfast_option_count(), &none, &error));
    holdfast_config_free(config);
}

int main(void)
{
    what_is_set_is_read_back();
    a_wrong_option_is_named_with_what_would_be_right();
    the_environment_is_read();
    every_option_is_listed_and_known();
    return 0;
}
