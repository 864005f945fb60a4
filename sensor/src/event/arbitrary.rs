//! Events with any values, for tests by property.

use proptest::prelude::*;

use super::{Event, Field, FieldType, Value};

fn any_value(field_type: FieldType) -> BoxedStrategy<Value> {
    let value = match field_type {
        FieldType::Text => any::<String>().prop_map(|it| Value::Text(it.into())).boxed(),
        FieldType::Texts => prop::collection::vec(any::<String>(), 0..5)
            .prop_map(|it| Value::Texts(it.iter().collect()))
            .boxed(),
        FieldType::Number => any::<u64>().prop_map(Value::Number).boxed(),
        FieldType::Flag => any::<bool>().prop_map(Value::Flag).boxed(),
        FieldType::Time => any::<u64>().prop_map(Value::Time).boxed(),
    };
    prop_oneof![Just(Value::Absent), value].boxed()
}

/// An event whose fields have any values of their types, or none. It has no kind.
pub(crate) fn any_event() -> impl Strategy<Value = Event> {
    let values: Vec<_> = Field::all().map(|field| any_value(field.info().field_type)).collect();
    values.prop_map(|values| {
        let mut event = Event::default();
        for (field, value) in Field::all().zip(values) {
            event.set(field, value);
        }
        event
    })
}
