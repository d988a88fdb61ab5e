//! Orders as forms. The index of a leg is a suffix of the field's name; the other spelling
//! (`legs[0][type]`) is refused by the broker as `type: is not valid.`

use blotter_shared::domain::Price;

use crate::broker::{Change, Instrument, Leg, NewOrder, Pricing, Shape};

pub(crate) type Form = Vec<(String, String)>;

/// The form that places an order.
pub(crate) fn place(order: &NewOrder) -> Form {
    let mut form = Form::new();
    put(&mut form, "class", class(order.shape()));
    match order.shape() {
        Shape::Single(leg) => single(&mut form, order.instrument(), leg),
        Shape::Oco(legs) => group(&mut form, order.instrument(), &legs),
        Shape::Otoco { entry, exits: [first, second] } => {
            group(&mut form, order.instrument(), &[entry, first, second]);
        }
    }
    put(&mut form, "duration", order.lifetime().duration().as_str());
    put(&mut form, "tag", order.tag().as_str());
    form
}

/// The form that changes an order: only what differs.
pub(crate) fn change(change: Change) -> Form {
    let mut form = Form::new();
    if let Some(pricing) = change.pricing() {
        put(&mut form, "type", pricing.order_type().as_str());
        prices(&mut form, pricing, "");
    }
    if let Some(lifetime) = change.lifetime() {
        put(&mut form, "duration", lifetime.duration().as_str());
    }
    form
}

fn class(shape: Shape) -> &'static str {
    match shape {
        Shape::Single(_) => "option",
        Shape::Oco(_) => "oco",
        Shape::Otoco { .. } => "otoco",
    }
}

fn single(form: &mut Form, instrument: &Instrument, leg: Leg) {
    put(form, "symbol", instrument.underlying.as_str());
    put(form, "option_symbol", &instrument.contract.occ());
    fields(form, leg, "");
}

/// The legs of a group carry the contract and nothing else: `symbol[i]` beside `option_symbol[i]`
/// was never seen to work.
fn group(form: &mut Form, instrument: &Instrument, legs: &[Leg]) {
    for (index, leg) in legs.iter().enumerate() {
        let suffix = format!("[{index}]");
        put(form, &format!("option_symbol{suffix}"), &instrument.contract.occ());
        fields(form, *leg, &suffix);
    }
}

fn fields(form: &mut Form, leg: Leg, suffix: &str) {
    put(form, &format!("side{suffix}"), leg.side.order_side().as_str());
    put(form, &format!("quantity{suffix}"), &leg.quantity.to_string());
    put(form, &format!("type{suffix}"), leg.pricing.order_type().as_str());
    prices(form, leg.pricing, suffix);
}

/// The request says `stop` where the answers say `stop_price`.
fn prices(form: &mut Form, pricing: Pricing, suffix: &str) {
    if let Some(limit) = pricing.limit() {
        put(form, &format!("price{suffix}"), &money(limit));
    }
    if let Some(stop) = pricing.stop() {
        put(form, &format!("stop{suffix}"), &money(stop));
    }
}

fn put(form: &mut Form, name: &str, value: &str) {
    form.push((name.to_owned(), value.to_owned()));
}

/// At least two decimals, more only when they say something.
fn money(price: Price) -> String {
    let exact = price.value().normalize();
    if exact.scale() <= 2 { format!("{exact:.2}") } else { exact.to_string() }
}

#[cfg(test)]
mod tests {
    use blotter_shared::domain::Quantity;

    use super::*;
    use crate::broker::{Lifetime, TradeSide};

    fn order(shape: Shape, lifetime: Lifetime) -> NewOrder {
        let instrument =
            Instrument { underlying: "SPY".parse().unwrap(), contract: "SPY260918C00600000".parse().unwrap() };
        NewOrder::new(instrument, shape, lifetime, "x-1".parse().unwrap()).unwrap()
    }

    fn leg(side: TradeSide, pricing: Pricing) -> Leg {
        Leg { side, quantity: Quantity::new(1).unwrap(), pricing }
    }

    fn price(text: &str) -> Price {
        text.parse().unwrap()
    }

    fn text(form: &Form) -> String {
        form.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
    }

    #[test]
    fn each_kind_of_single_order() {
        let start = "class=option&symbol=SPY&option_symbol=SPY260918C00600000&side=buy_to_open&quantity=1";
        for (pricing, rest) in [
            (Pricing::Market, "type=market"),
            (Pricing::Limit(price("0.55")), "type=limit&price=0.55"),
            (Pricing::Stop(price("1")), "type=stop&stop=1.00"),
            (Pricing::StopLimit { stop: price("1.2"), limit: price("1.125") }, "type=stop_limit&price=1.125&stop=1.20"),
        ] {
            let order = order(Shape::Single(leg(TradeSide::BuyToOpen, pricing)), Lifetime::Day);
            assert_eq!(text(&place(&order)), format!("{start}&{rest}&duration=day&tag=x-1"));
        }
    }

    #[test]
    fn groups_have_indices_behind_the_names() {
        let exits = [
            leg(TradeSide::SellToClose, Pricing::Limit(price("1.10"))),
            leg(TradeSide::SellToClose, Pricing::Stop(price("0.30"))),
        ];
        assert_eq!(
            text(&place(&order(Shape::Oco(exits), Lifetime::Gtc))),
            "class=oco\
             &option_symbol[0]=SPY260918C00600000&side[0]=sell_to_close&quantity[0]=1&type[0]=limit&price[0]=1.10\
             &option_symbol[1]=SPY260918C00600000&side[1]=sell_to_close&quantity[1]=1&type[1]=stop&stop[1]=0.30\
             &duration=gtc&tag=x-1"
        );
        let entry = leg(TradeSide::BuyToOpen, Pricing::Limit(price("0.55")));
        let form = text(&place(&order(Shape::Otoco { entry, exits }, Lifetime::Gtc)));
        assert!(form.starts_with("class=otoco&option_symbol[0]=SPY260918C00600000&side[0]=buy_to_open"), "{form}");
        assert!(form.contains("type[2]=stop&stop[2]=0.30"), "{form}");
    }

    #[test]
    fn a_change_says_only_what_differs() {
        let stop = Change::new(Some(Pricing::Stop(price("0.40"))), None).unwrap();
        assert_eq!(text(&change(stop)), "type=stop&stop=0.40");
        let gtc = Change::new(None, Some(Lifetime::Gtc)).unwrap();
        assert_eq!(text(&change(gtc)), "duration=gtc");
    }
}
