%% @doc A socket is closed for everybody who has seen that its owner is dead.
-module(dead_owner_SUITE).

-include_lib("stdlib/include/assert.hrl").

-export([all/0, groups/0, suite/0, init_per_group/2, end_per_group/2]).

-export([
    listener_of_a_dead_owner_is_closed/1,
    connection_of_a_dead_owner_is_closed/1,
    socket_of_a_new_owner_is_open/1
]).

-define(ROUNDS, 300).

suite() ->
    [{timetrap, {seconds, 60}}].

all() ->
    driver_groups:all().

groups() ->
    driver_groups:groups([listener_of_a_dead_owner_is_closed,
                          connection_of_a_dead_owner_is_closed,
                          socket_of_a_new_owner_is_open]).

init_per_group(Driver, Config) ->
    driver_groups:init(Driver, Config).

end_per_group(Driver, Config) ->
    driver_groups:done(Driver, Config).

%% As the supervisor of ssh does it with a link, to see whether to keep a listener.
listener_of_a_dead_owner_is_closed(_Config) ->
    process_flag(trap_exit, true),
    Listen = fun() -> {L, _} = tcp_pairs:listen(), L end,
    [begin
         {Owner, L} = do_owner(fun spawn_link/1, Listen),
         exit(Owner, kill),
         receive {'EXIT', Owner, killed} -> ok end,
         ?assertEqual({error, einval}, inet:sockname(L)),
         ?assertEqual({error, einval}, inet:setopts(L, [{nodelay, true}]))
     end || _ <- lists:seq(1, ?ROUNDS)],
    ok.

connection_of_a_dead_owner_is_closed(_Config) ->
    {L, Port} = tcp_pairs:listen([{backlog, 100}]),
    Connect = fun() -> {ok, C} = gen_tcp:connect({127, 0, 0, 1}, Port, [binary], 5000), C end,
    Questions = [fun inet:peername/1, fun inet:sockname/1, fun inet:port/1,
                 fun(S) -> inet:getopts(S, [active]) end, fun inet:getstat/1,
                 fun(S) -> inet:setopts(S, [{nodelay, true}]) end],
    [begin
         {Owner, C} = do_owner(fun spawn/1, Connect),
         {ok, S} = gen_tcp:accept(L, 5000),
         Ref = erlang:monitor(process, Owner),
         exit(Owner, kill),
         receive {'DOWN', Ref, process, Owner, killed} -> ok end,
         ?assertEqual({error, einval}, Question(C)),
         ?assertEqual(#{states => [closed]}, inet:info(C)),
         ok = gen_tcp:close(S)
     end || _ <- lists:seq(1, ?ROUNDS div 5), Question <- Questions],
    ok = gen_tcp:close(L).

socket_of_a_new_owner_is_open(_Config) ->
    Self = self(),
    [begin
         {Owner, L} = do_owner(fun spawn/1, fun() ->
             {L, _} = tcp_pairs:listen(),
             ok = gen_tcp:controlling_process(L, Self),
             L
         end),
         Ref = erlang:monitor(process, Owner),
         exit(Owner, kill),
         receive {'DOWN', Ref, process, Owner, killed} -> ok end,
         ?assertMatch({ok, _}, inet:sockname(L)),
         ok = gen_tcp:close(L)
     end || _ <- lists:seq(1, 50)],
    ok.

do_owner(Spawn, Open) ->
    Self = self(),
    Owner = Spawn(fun() -> Self ! {self(), Open()}, receive never -> ok end end),
    receive {Owner, Socket} -> {Owner, Socket} end.
