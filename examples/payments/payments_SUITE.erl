-module(payments_SUITE).

-export([all/0, pays_once/1, pays_once_by_name/1, scenario/1]).

all() ->
    [pays_once, pays_once_by_name].

pays_once(_Config) ->
    scenario(again).

pays_once_by_name(_Config) ->
    scenario(once).

%% A payment may fail, but nobody pays twice.
-spec scenario(again | once) -> ok | {error, term()}.
scenario(Mode) ->
    case payments:start_bank() of
        {ok, {Bank, Port}} ->
            Result = payments:pay(Port, 100, Mode),
            Booked = payments:booked(Bank),
            ok = payments:stop_bank(Bank),
            case length(Booked) of
                1 -> Result;
                0 when Result =/= ok -> Result;
                Times -> error({paid, Times})
            end;
        {error, _} = Error ->
            Error
    end.
