%% @doc Runs one list of cases on both drivers: the stock one, which is the
%% oracle, and gentcp. A suite delegates `all/0', `groups/0' and the group
%% callbacks to this module and then uses plain `gen_tcp' and `inet' calls:
%% in the group `gentcp' the node-wide `gentcp:install/0' is the only change.
-module(driver_groups).

-export([all/0, groups/1, init/2, done/2, on_stock/1, driver/1]).

all() ->
    [{group, stock}, {group, gentcp}].

groups(Cases) ->
    [{stock, [], Cases}, {gentcp, [], Cases}].

init(stock, Config) ->
    [{driver, stock} | Config];
init(gentcp, Config) ->
    {ok, _} = application:ensure_all_started(gentcp),
    ok = gentcp:install(),
    [{driver, gentcp} | Config].

done(stock, _Config) ->
    ok;
done(gentcp, _Config) ->
    ok = gentcp:uninstall(),
    ok = application:stop(gentcp).

%% Which driver this case runs on. Only for the deliberate differences that
%% the README lists; everything else asserts the same thing in both groups.
driver(Config) ->
    proplists:get_value(driver, Config).

on_stock(Config) ->
    driver(Config) =:= stock.
