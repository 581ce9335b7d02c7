%% @doc What the OTP that runs does, where releases differ: for the cases that have to know
%% it to say what they expect.
-module(running_otp).

-export([release/0, buffer/0, tells_of_a_timeout_close/0, has_mptcp/0]).

release() ->
    list_to_integer(erlang:system_info(otp_release)).

%% The option `buffer' of a socket that was not told another.
buffer() ->
    case release() of
        Release when Release >= 28 -> 9216;
        _ -> 1460
    end.

%% Whether an armed socket that `send_timeout_close' closes says so. Three releases have got
%% it as a patch.
tells_of_a_timeout_close() ->
    case release() of
        Release when Release > 29 -> true;
        29 -> erts() >= [17, 0, 4];
        28 -> erts() >= [16, 4, 0, 4];
        27 -> erts() >= [15, 2, 7, 11];
        _ -> false
    end.

%% Whether there is the option `protocol'. It came with a patch of 27 as well.
has_mptcp() ->
    case release() of
        Release when Release > 28 -> true;
        28 -> erts() >= [16, 2];
        27 -> erts() >= [15, 2, 7, 4];
        _ -> false
    end.

erts() ->
    [list_to_integer(Digits)
     || Part <- string:lexemes(erlang:system_info(version), "."),
        {match, [Digits]} <- [re:run(Part, "^[0-9]+", [{capture, first, list}])]].
