%% @doc Watches for a port program that is stuck: one that is stopped, or does
%% not come to an end with something, never gives notice.
%%
%% A program that says nothing for a beat is asked for a sign of life, and
%% killed if there is none within another. This is a process of its own, as
%% is the one that asks, because who writes to a full pipe waits until somebody
%% reads it: the router could not watch what it waits for.
%% @private
-module(gentcp_heartbeat).

-export([start_link/3, init/3]).

-include_lib("kernel/include/logger.hrl").

%% @doc Watches a port with the process id of its program, in beats of
%% milliseconds. Ends with the calling process, whose port closes if the program
%% is killed.
-spec start_link(port(), non_neg_integer(), timeout()) -> pid() | none.
start_link(_Port, _OsPid, infinity) ->
    none;
start_link(Port, OsPid, Beat) ->
    proc_lib:spawn_link(?MODULE, init, [Port, OsPid, Beat]).

-spec init(port(), non_neg_integer(), non_neg_integer()) -> ok.
init(Port, OsPid, Beat) ->
    watch(Port, OsPid, Beat, heard(Port)).

watch(Port, OsPid, Beat, Before) ->
    timer:sleep(Beat),
    case heard(Port) of
        Before ->
            _ = spawn_link(fun() -> ask(Port) end),
            timer:sleep(Beat),
            case heard(Port) of
                closed -> ok;
                Before -> kill(Port, OsPid);
                Now -> watch(Port, OsPid, Beat, Now)
            end;
        Now ->
            watch(Port, OsPid, Beat, Now)
    end.

%% Octets that have come from the program.
heard(Port) ->
    case erlang:port_info(Port, input) of
        {input, Octets} -> Octets;
        undefined -> closed
    end.

ask(Port) ->
    try port_command(Port, gentcp_proto:router_call(ping, ping)) of
        true -> ok
    catch
        error:badarg -> ok
    end.

%% The port closes by itself as a rule; but not for a program that cannot be
%% killed, such as one in a system call that never returns.
kill(Port, OsPid) ->
    ?LOG_ERROR("gentcp: port program ~b gives no sign of life and is killed", [OsPid]),
    _ = os:cmd("kill -KILL " ++ integer_to_list(OsPid)),
    true = try port_close(Port) catch error:badarg -> true end,
    ok.
