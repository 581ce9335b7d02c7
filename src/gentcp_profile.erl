%% @doc Named lists of faults, for what people say out loud.
%%
%% A profile stands where faults stand, by its name (`slow_3g') or as
%% `{profile, slow_3g}'. All numbers are those of one end: where both ends of a
%% connection are sockets of this node and under the same profile, its delays
%% count twice.
%%
%% Profiles of the user's own are in the environment of the application `gentcp',
%% `{profiles, [{Name, Faults}]}'. They may name other profiles, and go before
%% those of this module.
%% @private
-module(gentcp_profile).

-export([names/0, find/1, expand/1]).

%% One way of a path takes half of its round trip.
-define(BUILT_IN, #{
    %% 400 kbit/s and a round trip of 400 ms, as web page tests mean it.
    slow_3g => [{latency, 200, 40}, {bandwidth, 50_000}],
    %% 1.6 Mbit/s down, 768 kbit/s up, a round trip of 150 ms.
    fast_3g => [{latency, 75, 10}, {in, {bandwidth, 200_000}}, {out, {bandwidth, 96_000}}],
    %% Geostationary: 600 ms round trip, 10 Mbit/s down, 3 Mbit/s up.
    satellite => [{latency, 300, 20}, {in, {bandwidth, 1_250_000}}, {out, {bandwidth, 375_000}}],
    %% Fast, and again and again it hangs for a moment.
    flaky_wifi => [{latency, 5, 20}, {stall, 300, 65_536}, {slice, 1, 1460}],
    %% A full queue on the way: slow, of uneven delay, with retransmissions.
    congested => [{latency, 100, 80}, {bandwidth, 30_000}, {stall, 500, 32_768}],
    %% A peer that is gone and says nothing.
    dead_peer => [blackhole, {connect, never}],
    %% Nobody listens there.
    refused => [{connect, {error, econnrefused}}],
    %% The network behind the peer has gone.
    unreachable => [{connect, {error, ehostunreach}}],
    %% Each octet arrives, and leaves, on its own.
    byte_by_byte => [{slice, 1}],
    %% The same in pieces of 1 to 16 octets.
    small_pieces => [{slice, 1, 16}]
}).

%% More than anybody nests.
-define(MAX_DEPTH, 64).

%% @doc The names of all profiles, sorted.
-spec names() -> [atom()].
names() ->
    lists:usort(maps:keys(?BUILT_IN) ++ [Name || {Name, _} <- own()]).

%% @doc The faults of a profile as they were written.
-spec find(atom()) -> {ok, gentcp_fault:faults()} | error.
find(Name) ->
    case lists:keyfind(Name, 1, own()) of
        {Name, Faults} -> {ok, Faults};
        false -> maps:find(Name, ?BUILT_IN)
    end.

own() ->
    case application:get_env(gentcp, profiles, []) of
        Profiles when is_list(Profiles) -> Profiles;
        _ -> []
    end.

%% @doc Faults as a list with no profile in it. Whether they are faults at all is for
%% the port program to say.
-spec expand(gentcp_fault:faults()) -> {ok, [term()]} | {error, gentcp_fault:bad_fault()}.
expand(Faults) ->
    try {ok, expand(Faults, [], ?MAX_DEPTH)}
    catch throw:{bad_fault, _, _} = Bad -> {error, Bad}
    end.

expand(Faults, _Within, 0) ->
    throw({bad_fault, Faults, too_deep});
expand(Faults, Within, Depth) when is_list(Faults) ->
    is_proper(Faults) orelse throw({bad_fault, Faults, bad_list}),
    lists:flatmap(fun(Fault) -> expand(Fault, Within, Depth - 1) end, Faults);
expand({profile, Name} = Profile, Within, Depth) ->
    case find(Name) of
        {ok, Faults} -> profile(Name, Faults, Within, Depth);
        error -> throw({bad_fault, Profile, unknown_profile})
    end;
expand(Name, Within, Depth) when is_atom(Name) ->
    case find(Name) of
        {ok, Faults} -> profile(Name, Faults, Within, Depth);
        error -> [Name]
    end;
expand({Kind, Fault}, Within, Depth) when Kind =:= in; Kind =:= out; Kind =:= once ->
    [{Kind, inner(Fault, Within, Depth)}];
expand({Kind, When, Fault}, Within, Depth)
  when Kind =:= probability; Kind =:= nth; Kind =:= 'after'; Kind =:= for ->
    [{Kind, When, inner(Fault, Within, Depth)}];
expand(Fault, _Within, _Depth) ->
    [Fault].

profile(Name, Faults, Within, Depth) ->
    lists:member(Name, Within) andalso throw({bad_fault, {profile, Name}, within_itself}),
    expand(Faults, [Name | Within], Depth - 1).

inner(Fault, Within, Depth) ->
    case expand(Fault, Within, Depth - 1) of
        [Single] -> Single;
        Several -> Several
    end.

is_proper(List) ->
    try length(List) of
        _ -> true
    catch
        error:badarg -> false
    end.
