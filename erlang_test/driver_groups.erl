%% @doc Runs one list of cases on both drivers: the stock one, which is the
%% oracle, and gentcp. A suite delegates `all/0', `groups/0' and the group
%% callbacks to this module and then uses plain `gen_tcp' and `inet' calls:
%% in the group `gentcp' the node-wide `gentcp:install/0' is the only change.
%%
%% A suite in which sockets of one process, or an owner and its sockets, may be
%% in different port programs runs on two of those as well: the group
%% `gentcp_shards'. Suites about one connection have nothing to gain from it.
-module(driver_groups).

-export([all/0, all_with_shards/0, groups/1, init/2, done/2, on_stock/1, driver/1]).

all() ->
    [{group, stock}, {group, gentcp}].

all_with_shards() ->
    all() ++ [{group, gentcp_shards}].

groups(Cases) ->
    [{Group, [], Cases} || {group, Group} <- all_with_shards()].

init(stock, Config) ->
    [{driver, stock} | Config];
init(gentcp_shards, Config) ->
    _ = application:load(gentcp),
    ok = application:set_env(gentcp, shards, 2),
    Started = init(gentcp, Config),
    2 = length(gentcp:port_info(all)),
    Started;
init(gentcp, Config) ->
    {ok, _} = application:ensure_all_started(gentcp),
    ok = gentcp:install(),
    [{driver, gentcp} | Config].

done(stock, _Config) ->
    ok;
done(gentcp_shards, Config) ->
    ok = application:unset_env(gentcp, shards),
    done(gentcp, Config);
done(gentcp, _Config) ->
    ok = gentcp:uninstall(),
    ok = application:stop(gentcp).

%% Which driver this case runs on. Only for the deliberate differences that
%% the README lists; everything else asserts the same thing in both groups.
driver(Config) ->
    proplists:get_value(driver, Config).

on_stock(Config) ->
    driver(Config) =:= stock.
